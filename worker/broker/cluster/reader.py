"""Subscription a topic without a group: nothing is committed, and no member loses partitions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from worker.broker.cluster.admin import require_topics
from worker.broker.connection import BOOTSTRAP_TIMEOUT_S, Connection
from worker.broker.contract import Record
from worker.broker.deadline import Deadline
from worker.broker.errors import Code, Needs
from worker.broker.kafka_python.client import open_client, raise_refusal
from worker.broker.kafka_python.errors import translated
from worker.broker.kafka_python.repairs import Network, read_any_header_name
from worker.broker.kafka_python.source import to_records
from worker.errors import BrokerUnavailable, BrokerUnreachable

_POLL_S: Final = 0.5


@contextmanager
def read_topic(connection: Connection, topic: str, *, from_beginning: bool) -> Iterator[Iterator[Record]]:
    """Yield the records of every partition, for ever; wait for a broker that goes away.

    Everything stored after the block was entered is read, in order within a partition. Partitions added later are not
    read. Raises TopicMissing, AccessDenied, BrokerUnreachable.
    """
    with _consumer_of(connection, topic) as (consumer, network, partitions):
        consumer.assign(partitions)
        (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)(*partitions)
        for partition in partitions:
            # A seek takes effect at the first poll, which is too late for the end as of now.
            _position(consumer, partition)
        yield chain.from_iterable(_polls(consumer, network, topic))


def newest_records(
    connection: Connection, topic: str, *, each: int, timeout_s: float = BOOTSTRAP_TIMEOUT_S
) -> list[Record]:
    """Return up to `each` of the newest records of every partition, or fewer when the time is over.

    Raises TopicMissing, AccessDenied, BrokerUnreachable.
    """
    deadline = Deadline(timeout_s)
    with _consumer_of(connection, topic) as (consumer, network, partitions):
        consumer.assign(partitions)
        with translated(f"finding where to read {topic} from", unavailable=BrokerUnreachable):
            first, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, max(first[partition], ends[partition] - each))
        polls, found = _polls(consumer, network, topic), []
        while not deadline.over and any(_position(consumer, one) < ends[one] for one in partitions):
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
    what = f"finding where to read {partition.topic} from"
    with translated(what, unavailable=BrokerUnreachable):
        position: int | None = consumer.position(partition, timeout_ms=BOOTSTRAP_TIMEOUT_S * 1000)
    if position is None:
        raise BrokerUnreachable(f"{what} took longer than {BOOTSTRAP_TIMEOUT_S:g} s")
    return position


def _polls(consumer: Any, network: Network, topic: str) -> Iterator[list[Record]]:
    """Yield the records of each poll, for ever; wait for a broker that goes away."""
    needs: Needs = {Code.TOPIC_AUTHORIZATION_FAILED: f"Read on topic {topic}"}
    while True:
        raise_refusal(network, f"reading {topic}")
        try:
            with translated(f"reading {topic}", needs=needs):
                batches = consumer.poll(timeout_ms=_POLL_S * 1000)
        except BrokerUnavailable:
            time.sleep(_POLL_S)  # the library raised instead of waiting
            batches = {}
        yield to_records(batches)
