"""Reading a topic from outside any group: nothing is committed, nobody loses partitions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import TopicAuthorizationFailedError

from worker.broker.cluster.admin import require_topics
from worker.broker.connection import BOOTSTRAP_TIMEOUT_S, Connection, open_client, raise_refusal
from worker.broker.contract import Record, TopicPartition
from worker.broker.kafka_python.errors import translated
from worker.broker.kafka_python.network import Network
from worker.broker.kafka_python.repairs import read_any_header_name
from worker.errors import BrokerUnavailable, BrokerUnreachable

_POLL_S: Final = 0.5


@contextmanager
def read_topic(connection: Connection, topic: str, *, from_beginning: bool) -> Iterator[Iterator[Record]]:
    """Yield the records of every partition, for ever; a broker that goes away is waited for.

    What is stored after the block was entered is not missed. Ordered within a partition; partitions added later
    are not read. Raises TopicMissing, AccessDenied, BrokerUnreachable.
    """
    with _consumer_of(connection, topic) as (consumer, network, partitions):
        consumer.assign(partitions)
        (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)(*partitions)
        for partition in partitions:
            # A seek alone takes effect at the first poll: too late to call it the end as of now.
            _position(consumer, partition)
        yield _records(consumer, network, topic)


def newest_records(
    connection: Connection, topic: str, *, each: int, timeout_s: float = BOOTSTRAP_TIMEOUT_S
) -> list[Record]:
    """Return up to `each` of the newest records of every partition, or fewer when the time is over.

    Raises TopicMissing, AccessDenied, BrokerUnreachable.
    """
    deadline_s = time.monotonic() + timeout_s
    with _consumer_of(connection, topic) as (consumer, network, partitions):
        consumer.assign(partitions)
        with translated(f"finding the place to read {topic} from", unavailable=BrokerUnreachable):
            first, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, max(first[partition], ends[partition] - each))
        polls, found = _polls(consumer, network, topic), []
        while time.monotonic() < deadline_s and any(_position(consumer, one) < ends[one] for one in partitions):
            found += next(polls)
        return found


@contextmanager
def _consumer_of(connection: Connection, topic: str) -> Iterator[tuple[Any, Network, list[KafkaPartition]]]:
    read_any_header_name()
    count = require_topics(connection, [topic])[topic]
    consumer, network = open_client(
        KafkaConsumer,
        connection,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        yield consumer, network, [KafkaPartition(topic, number) for number in range(count)]
    finally:
        consumer.close(autocommit=False)
        network.close()


def _position(consumer: Any, partition: KafkaPartition) -> int:
    what = f"finding the place to read {partition.topic} from"
    with translated(what, unavailable=BrokerUnreachable):
        position: int | None = consumer.position(partition, timeout_ms=BOOTSTRAP_TIMEOUT_S * 1000)
    if position is None:
        raise BrokerUnreachable(f"{what} took longer than {BOOTSTRAP_TIMEOUT_S:g} s")
    return position


def _records(consumer: Any, network: Network, topic: str) -> Iterator[Record]:
    for batch in _polls(consumer, network, topic):
        yield from batch


def _polls(consumer: Any, network: Network, topic: str) -> Iterator[list[Record]]:
    """Yield what each poll brings, for ever; a broker that goes away is waited for."""
    needs = {TopicAuthorizationFailedError: f"Read on topic {topic}"}
    while True:
        raise_refusal(network, f"reading {topic}")
        try:
            with translated(f"reading {topic}", needs=needs):
                batches = consumer.poll(timeout_ms=_POLL_S * 1000)
        except BrokerUnavailable:
            time.sleep(_POLL_S)  # the library raised instead of waiting
            batches = {}
        yield [
            Record(TopicPartition(*partition), raw.offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers))
            for partition, batch in batches.items()
            for raw in batch
        ]
