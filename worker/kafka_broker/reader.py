"""Reading a topic from outside any group: nothing is committed, nobody loses partitions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from worker.broker import Record, TopicPartition
from worker.errors import BrokerUnavailable, BrokerUnreachable
from worker.kafka_broker.admin import require_topics
from worker.kafka_broker.connection import BOOTSTRAP_TIMEOUT_S, Connection, open_client, raise_refusal
from worker.kafka_broker.errors import translated
from worker.kafka_broker.network import Network
from worker.kafka_broker.repairs import read_any_header_name

_POLL_S: Final = 0.5


@contextmanager
def read_topic(connection: Connection, topic: str, *, from_beginning: bool) -> Iterator[Iterator[Record]]:
    """Yield the records of every partition, for ever; a broker that goes away is waited for.

    What is stored after the block was entered is not missed. Ordered within a partition; partitions added later
    are not read. Raises TopicMissing, AccessDenied, BrokerUnreachable.
    """
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
        _take_place(consumer, [KafkaPartition(topic, number) for number in range(count)], from_beginning)
        yield _records(consumer, network, topic)
    finally:
        consumer.close(autocommit=False)
        network.close()


def _take_place(consumer: Any, partitions: list[KafkaPartition], from_beginning: bool) -> None:
    consumer.assign(partitions)
    (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)(*partitions)
    for partition in partitions:
        # A seek alone takes effect at the first poll: too late to call it the end as of now.
        what = f"finding the place to read {partition.topic} from"
        with translated(what, unavailable=BrokerUnreachable):
            if consumer.position(partition, timeout_ms=BOOTSTRAP_TIMEOUT_S * 1000) is None:
                raise BrokerUnreachable(f"{what} took longer than {BOOTSTRAP_TIMEOUT_S:g} s")


def _records(consumer: Any, network: Network, topic: str) -> Iterator[Record]:
    while True:
        raise_refusal(network, f"reading {topic}")
        try:
            with translated(f"reading {topic}"):
                batches = consumer.poll(timeout_ms=_POLL_S * 1000)
        except BrokerUnavailable:
            time.sleep(_POLL_S)  # the library raised instead of waiting
            continue
        for partition, batch in batches.items():
            place = TopicPartition(*partition)
            for raw in batch:
                yield Record(place, raw.offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers))
