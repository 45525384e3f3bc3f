"""A program: the consumer that one writes by hand. One review at a time: poll, score, send, flush, commit."""

import argparse
import json
from itertools import islice
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer

from model.engines import load_predictor
from model.predictor import score_texts


def main() -> None:
    """Score as many reviews as asked for, then end."""
    parser = argparse.ArgumentParser()
    for name in ("--bootstrap-servers", "--input", "--output", "--group"):
        parser.add_argument(name, required=True)
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--reviews", type=int, required=True)
    arguments = parser.parse_args()
    predictor = load_predictor(arguments.artifact)
    predictor.warm_up()
    producer = KafkaProducer(bootstrap_servers=arguments.bootstrap_servers)
    consumer = KafkaConsumer(
        arguments.input,
        bootstrap_servers=arguments.bootstrap_servers,
        group_id=arguments.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=1,
    )
    for record in islice(consumer, arguments.reviews):
        review = json.loads(record.value)
        probability = float(score_texts(predictor, [review["text"]]).probabilities[0])
        result = {"review_id": review["review_id"], "score": probability}
        producer.send(arguments.output, key=record.key, value=json.dumps(result).encode())
        producer.flush()
        consumer.commit()
    consumer.close()
    producer.close()


if __name__ == "__main__":
    main()
