"""Print scored reviews as they come: `consumer.py [COUNT]` ends after so many."""

import json
import os
import sys
from contextlib import closing

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord


def use(record: ConsumerRecord) -> None:
    """Do with a result whatever your program is for.

    A result can come twice: this program may die before it commits and, unless the worker runs with
    `delivery = exactly_once`, so may the worker. Make the second time harmless: store under `review_id`, where the
    later result replaces the earlier; or, where each must count once, under `source` (topic, partition, offset), which
    is the same whenever the same review is scored again, and skip what is there.
    """
    if record.value is None:  # a tombstone: the review of this key was deleted
        print(record.key.decode(), "deleted", sep="\t")
        return
    result = json.loads(record.value)
    print(result["review_id"], result["sentiment"], result["score"], sep="\t", flush=True)


def main() -> None:
    """Use COUNT results, or all that ever come."""
    left = int(sys.argv[1]) if len(sys.argv) > 1 else sys.maxsize
    consumer = KafkaConsumer(
        os.environ.get("SENTIMENT_OUTPUT_TOPIC", "reviews.scored"),
        bootstrap_servers=os.environ.get("SENTIMENT_BOOTSTRAP_SERVERS", "localhost:9092"),
        group_id=os.environ.get("CONSUMER_GROUP", "examples"),
        auto_offset_reset="earliest",  # a new group begins with the oldest result
        enable_auto_commit=False,
        isolation_level="read_committed",  # of a worker with exactly_once, never see what it took back
    )
    with closing(consumer):
        while left:
            for records in consumer.poll(timeout_ms=1000, max_records=min(left, 500)).values():
                for record in records:
                    use(record)
                left -= len(records)
            consumer.commit()  # after use: what is not committed comes again


if __name__ == "__main__":
    main()
