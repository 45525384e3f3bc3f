"""The consumer that one writes next: poll a batch, one forward, send, flush, commit."""

import json

from kafka import KafkaConsumer, KafkaProducer

from tests.bench.peers.job import BATCH, given, load_scorer, results


def main() -> None:
    """Score as many reviews as asked for, then end."""
    job = given()
    scorer = load_scorer(job.engine, job.artifact)
    producer = KafkaProducer(bootstrap_servers=job.bootstrap_servers, linger_ms=5)
    consumer = KafkaConsumer(
        job.input,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    left = job.reviews
    while left > 0:
        polled = consumer.poll(timeout_ms=100, max_records=min(BATCH, left))
        records = [record for some in polled.values() for record in some]
        if not records:
            continue
        values = results([json.loads(record.value) for record in records], scorer)
        for record, value in zip(records, values, strict=True):
            producer.send(job.output, key=record.key, value=value)
        producer.flush()
        consumer.commit()
        left -= len(records)
    consumer.close()
    producer.close()


if __name__ == "__main__":
    main()
