import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints scored reviews as they come: {@code Consumer.java [COUNT]} ends after so many. */
public class Consumer {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    long left = args.length > 0 ? Long.parseLong(args[0]) : Long.MAX_VALUE;
    Map<String, Object> config =
        Map.of(
            ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, env("SENTIMENT_BOOTSTRAP_SERVERS", "localhost:9092"),
            ConsumerConfig.GROUP_ID_CONFIG, env("CONSUMER_GROUP", "examples"),
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest", // a new group begins with the oldest result
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
            // Of a worker with exactly_once, never see what it took back.
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, (int) Math.min(left, 500));
    try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(env("SENTIMENT_OUTPUT_TOPIC", "reviews.scored")));
      while (left > 0) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          use(record);
          left--;
        }
        consumer.commitSync(); // after use: what is not committed comes again
      }
    }
  }

  /**
   * Does with a result whatever your program is for.
   *
   * <p>A result can come twice: this program may die before it commits and, unless the worker runs with {@code delivery =
   * exactly_once}, so may the worker. Make the second time harmless: store under {@code review_id}, where the later
   * result replaces the earlier; or, where each must count once, under {@code source} (topic, partition, offset), which
   * is the same whenever the same review is scored again, and skip what is there.
   */
  private static void use(ConsumerRecord<String, String> record) throws JsonProcessingException {
    if (record.value() == null) { // a tombstone: the review of this key was deleted
      System.out.println(record.key() + "\tdeleted");
      return;
    }
    var result = JSON.readTree(record.value());
    System.out.println(
        String.join("\t", result.get("review_id").asText(), result.get("sentiment").asText(), result.get("score").asText()));
  }

  private static String env(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
