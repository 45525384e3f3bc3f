import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** Publishes reviews from standard input, one JSON object a line; each is kept, or the program ends with an error. */
public class Producer {
  public static void main(String[] args) throws Exception {
    String topic = env("SENTIMENT_INPUT_TOPIC", "reviews.raw");
    Map<String, Object> config =
        Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, env("SENTIMENT_BOOTSTRAP_SERVERS", "localhost:9092"),
            ProducerConfig.ACKS_CONFIG, "all",
            ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true, // a retry stores nothing twice
            ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    var json = new ObjectMapper();
    var reviews = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
      List<Future<RecordMetadata>> sends = new ArrayList<>(); // for an endless input give `send` a callback instead
      for (String review; (review = reviews.readLine()) != null; ) {
        // Reviews of one key stay in order, and their results do: take a film's or a product's id to keep its order.
        String key = json.readTree(review).required("review_id").asText();
        sends.add(producer.send(new ProducerRecord<>(topic, key, review)));
      }
      for (var send : sends) {
        send.get(); // throws what the broker said, at the latest after delivery.timeout.ms
      }
    }
  }

  private static String env(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
