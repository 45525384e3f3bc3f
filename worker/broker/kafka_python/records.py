"""Records as kafka-python returns them, in our type."""

from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition as KafkaPartition

from worker.broker.contract import Record, TopicPartition


def to_records(batches: Mapping[KafkaPartition, list[Any]]) -> list[Record]:
    """Translate what a poll returned."""
    records: list[Record] = []
    for kafka_partition, batch in batches.items():
        partition = TopicPartition(*kafka_partition)
        records += [
            Record(
                partition,
                raw.offset,
                raw.timestamp if raw.timestamp >= 0 else None,
                raw.key,
                raw.value,
                tuple(raw.headers),
            )
            for raw in batch
        ]
    return records
