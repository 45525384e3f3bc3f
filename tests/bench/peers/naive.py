"""The consumer that one writes first. One review at a time: poll, score, send, flush, commit."""

import json
from itertools import islice

from kafka import KafkaConsumer, KafkaProducer

from tests.bench.peers.job import given, load_scorer, results


def main() -> None:
    """Score as many reviews as asked for, then end."""
    job = given()
    scorer = load_scorer(job.engine, job.artifact)
    producer = KafkaProducer(bootstrap_servers=job.bootstrap_servers)
    consumer = KafkaConsumer(
        job.input,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=1,
    )
    for record in islice(consumer, job.reviews):
        [value] = results([json.loads(record.value)], scorer)
        producer.send(job.output, key=record.key, value=value)
        producer.flush()
        consumer.commit()
    consumer.close()
    producer.close()


if __name__ == "__main__":
    main()
