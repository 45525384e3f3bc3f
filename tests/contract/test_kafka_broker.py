"""The adapter keeps the contract on a real broker, and what only a real broker can show."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from kafka.admin import MemberToRemove

from deploy.kafka.broker import Broker
from tests.contract.rig import LIMIT_S, Reader, numbered
from tests.contract.sink_contract import SinkContract
from tests.contract.source_contract import SourceContract
from tests.support.kafka_io import (
    Message,
    Stored,
    committed_offsets,
    delete_topics,
    produce,
    produce_in_transaction,
    read_all,
)
from tests.support.until import until
from worker.broker import Outgoing, Sink, Source, TopicPartition
from worker.errors import (
    BrokerUnavailable,
    BrokerUnreachable,
    DeliveryFailed,
    TopicMissing,
)
from worker.kafka_broker import Connection, KafkaSink, KafkaSource, create_topics, require_topics, sink_opener

pytestmark = pytest.mark.broker


class KafkaRig:
    """A real broker as the suites want it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connection = Connection(address)
        self.opened: list[Source | Sink] = []
        self._topics: set[str] = set()

    def topic(self, *, partitions: int = 1, max_message_bytes: int | None = None) -> str:
        name = f"contract.{uuid4().hex[:8]}"
        configs = {"max.message.bytes": str(max_message_bytes)} if max_message_bytes else {}
        create_topics(self.connection, {name: partitions}, configs)
        self._topics.add(name)
        return name

    def delete_topic(self, topic: str) -> None:
        delete_topics(self.address, [topic])
        self._topics.remove(topic)

    def produce(self, topic: str, messages: Iterable[Message]) -> None:
        produce(self.address, topic, messages)

    def stored(self, topic: str) -> list[Stored]:
        return read_all(self.address, topic)

    def committed(self, group_id: str, topic: str) -> dict[int, int]:
        return committed_offsets(self.address, group_id, topic)

    def evict(self, source: Source, group_id: str) -> None:  # noqa: ARG002  # the fake needs it
        with closing(KafkaAdminClient(bootstrap_servers=self.address)) as admin:
            members = admin.describe_groups([group_id])[group_id]["members"]
            removed = admin.remove_group_members(group_id, [MemberToRemove(one["member_id"]) for one in members])
            assert len(removed) == 1

    def source(
        self, topic: str, *, group_id: str, session_timeout_ms: int = 45_000, max_poll_interval_ms: int = 300_000
    ) -> Source:
        source = KafkaSource(
            self.connection,
            topic=topic,
            group_id=group_id,
            session_timeout_ms=session_timeout_ms,
            max_poll_interval_ms=max_poll_interval_ms,
        )
        self.opened.append(source)
        return source

    def sink(self, *, delivery_timeout_ms: int = 120_000) -> Sink:
        sink = KafkaSink(self.connection, delivery_timeout_ms=delivery_timeout_ms)
        self.opened.append(sink)
        return sink

    def close(self) -> None:
        for one in self.opened:
            one.close(timeout_s=5)
        if self._topics:
            delete_topics(self.address, self._topics)


@pytest.fixture
def rig(broker: Broker) -> Iterator[KafkaRig]:
    with closing(KafkaRig(broker.address)) as rig:
        yield rig


@pytest.fixture
def group_id() -> str:
    return f"contract.{uuid4().hex[:8]}"


class TestKafkaSource(SourceContract):
    """The suite."""


class TestKafkaSink(SinkContract):
    """The suite."""


def test_a_member_that_never_waits_in_its_polls_joins_all_the_same(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic(partitions=2)
    source = rig.source(topic, group_id=group_id)
    until(lambda: source.poll(timeout_s=0, max_records=1).assigned, LIMIT_S, "an assignment")


def test_new_partitions_of_the_topic_are_read_by_members_that_poll_briefly(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    source = rig.source(topic, group_id=group_id)
    until(lambda: source.poll(timeout_s=0, max_records=1).assigned, LIMIT_S, "an assignment")
    with closing(KafkaAdminClient(bootstrap_servers=rig.address)) as admin:
        admin.create_partitions({topic: 3})
    source._consumer._cluster.request_update()  # as every five minutes
    new: set[TopicPartition] = set()
    until(
        lambda: new.update(source.poll(timeout_s=0, max_records=1).assigned) or len(new) == 2,
        LIMIT_S,
        "both new partitions",
    )
