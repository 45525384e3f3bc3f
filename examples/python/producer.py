"""Publish reviews from standard input, one JSON object a line; each is kept, or the program ends with an error."""

import json
import os
import sys
from contextlib import closing

from kafka import KafkaProducer

ANSWER_LIMIT_S = 30


def key_of(review: bytes) -> bytes:
    """Reviews of one key stay in order, and their results do: take a film's or a product's id to keep its order."""
    return str(json.loads(review)["review_id"]).encode()


def main() -> None:
    """Publish them all."""
    topic = os.environ.get("SENTIMENT_INPUT_TOPIC", "reviews.raw")
    producer = KafkaProducer(
        bootstrap_servers=os.environ.get("SENTIMENT_BOOTSTRAP_SERVERS", "localhost:9092"),
        acks="all",
        enable_idempotence=True,  # a retry stores nothing twice
        compression_type="gzip",
    )
    with closing(producer):
        sends = [producer.send(topic, key=key_of(line), value=line.rstrip()) for line in sys.stdin.buffer]
        for send in sends:  # for an endless input use `send.add_errback` instead of a list
            send.get(timeout=ANSWER_LIMIT_S)


if __name__ == "__main__":
    main()
