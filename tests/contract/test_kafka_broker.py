"""The adapter keeps the contract on a real broker, and what only a real broker can show."""

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

import confluent_kafka as ck
import pytest
from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaPartition
from kafka.admin import MemberToRemove

from deploy.kafka.broker import Broker
from tests.contract.rig import LIMIT_S, Reader, numbered
from tests.contract.sink_contract import SinkContract
from tests.contract.source_contract import SourceContract
from tests.contract.transaction_contract import TransactionContract
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import (
    Message,
    RawName,
    Stored,
    committed_offsets,
    delete_topics,
    produce,
    produce_in_transaction,
    read_all,
    set_topic_config,
)
from tests.support.until import until
from worker.broker.clients import CLIENTS, Client, ClientName, client_named
from worker.broker.cluster.admin import create_topics, require_topics
from worker.broker.cluster.reader import read_topic
from worker.broker.connection import Connection
from worker.broker.contract import Outgoing, Receipt, Sink, Source, TopicPartition, TransactionalSink
from worker.broker.kafka_python.sink import KafkaSink
from worker.broker.kafka_python.source import KafkaSource
from worker.errors import (
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    BrokerUnreachable,
    DeliveryFailed,
    TopicMissing,
)

pytestmark = pytest.mark.broker
# Tests that take ten seconds or more run with the second client at night only.
second_client_at_night = pytest.mark.parametrize("client_name", SECOND_AT_NIGHT)


class KafkaRig:
    """A real broker as the suites want it."""

    def __init__(self, address: str, client: Client) -> None:
        self.address = address
        self.connection = Connection(address)
        self._client = client
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

    def recreate_topic(self, topic: str) -> None:
        delete_topics(self.address, [topic])
        create_topics(self.connection, {topic: 1}, {})

    def delete_records(self, partition: TopicPartition, *, before: int) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.address)) as admin:
            admin.delete_records({KafkaPartition(*partition): before})

    def produce(self, topic: str, messages: Iterable[Message]) -> None:
        produce(self.address, topic, messages)

    def stored(self, topic: str) -> list[Stored]:
        return read_all(self.address, topic, committed_only=True)

    def committed(self, group_id: str, topic: str) -> dict[int, int]:
        return committed_offsets(self.address, group_id, topic)

    def evict(self, source: Source, group_id: str) -> None:  # noqa: ARG002  # the fake needs it
        with closing(KafkaAdminClient(bootstrap_servers=self.address)) as admin:
            members = admin.describe_groups([group_id])[group_id]["members"]
            removed = admin.remove_group_members(group_id, [MemberToRemove(one["member_id"]) for one in members])
            assert len(removed) == 1

    def source(self, topic: str, *, group_id: str, **settings: Any) -> Source:
        source = self._client.source(self.connection, topic=topic, group_id=group_id, **settings)
        self.opened.append(source)
        return source

    def sink(self) -> Sink:
        sink = self._client.sink_opener(self.connection)()
        self.opened.append(sink)
        return sink

    def transactional_sink(self, transactional_id: str) -> TransactionalSink:
        settings = {"transactional_id": transactional_id, "transaction_timeout_ms": 30_000}
        sink = self._client.transactional_sink_opener(self.connection, **settings)()
        self.opened.append(sink)
        return sink

    def close(self) -> None:
        for one in self.opened:
            one.close(timeout_s=5)
        if self._topics:
            delete_topics(self.address, self._topics)


@pytest.fixture(params=CLIENTS)
def client_name(request: pytest.FixtureRequest) -> ClientName:
    name: ClientName = request.param
    return name


@pytest.fixture
def client(client_name: ClientName) -> Client:
    return client_named(client_name)


@pytest.fixture
def rig(broker: Broker, client: Client) -> Iterator[KafkaRig]:
    with closing(KafkaRig(broker.address, client)) as rig:
        yield rig


@pytest.fixture
def group_id() -> str:
    return f"contract.{uuid4().hex[:8]}"


class TestKafkaSource(SourceContract):
    """The suite."""


class TestKafkaSink(SinkContract):
    """The suite."""


class TestKafkaTransactionalSink(TransactionContract):
    """The suite."""


# Joining and leaving


def test_a_member_whose_polls_never_wait_joins(rig: KafkaRig, group_id: str) -> None:
    source = rig.source(rig.topic(partitions=2), group_id=group_id)
    until(lambda: source.poll(timeout_s=0, max_records=1).assigned, LIMIT_S, "an assignment")


@second_client_at_night
def test_a_member_whose_polls_never_wait_reads_new_partitions(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    source = rig.source(topic, group_id=group_id)
    owned: set[TopicPartition] = set()

    def owns(count: int) -> bool:
        owned.update(source.poll(timeout_s=0, max_records=1).assigned)
        return len(owned) == count

    until(lambda: owns(1), LIMIT_S, "the first partition")
    with closing(KafkaAdminClient(bootstrap_servers=rig.address)) as admin:
        admin.create_partitions({topic: 3})
    if isinstance(source, KafkaSource):
        source._network.cluster.request_update()  # as it does every ten seconds
    until(lambda: owns(3), LIMIT_S, "the new partitions")


@second_client_at_night
def test_nothing_is_lost_and_order_is_kept_while_members_come_and_go(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic(partitions=4)
    rig.produce(topic, numbered(4000, partitions=4))
    readers = [Reader(rig.source(topic, group_id=group_id))]
    stored: dict[int, int] = {}

    def read_on(until_stored: int) -> None:
        def reached() -> bool:
            for reader in readers:
                reader.poll(max_records=20)
                with contextlib.suppress(AssignmentLost):
                    ours = {at: position for at, position in reader.positions.items() if at in reader.owned}
                    reader.source.commit(ours, timeout_s=LIMIT_S)
            stored.update(rig.committed(group_id, topic))
            return sum(stored.values()) >= until_stored

        until(reached, 2 * LIMIT_S, f"{until_stored} records committed by {len(readers)} members")

    read_on(500)
    readers.append(Reader(rig.source(topic, group_id=group_id)))
    read_on(2000)
    gone = readers.pop(0)
    gone.source.close(timeout_s=LIMIT_S)
    read_on(4000)

    both = [gone, *readers]
    for partition in range(4):
        of_one = [[r.offset for r in reader.records if r.partition.partition == partition] for reader in both]
        assert {offset for offsets in of_one for offset in offsets} == set(range(1000))
        for offsets in of_one:
            assert offsets == sorted(offsets), "read out of order by one member"


def test_a_member_that_does_not_poll_for_too_long_loses_its_partitions(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic(partitions=2)
    slow = Reader(rig.source(topic, group_id=group_id, session_timeout_ms=6_000, max_poll_interval_ms=6_000))
    slow.own(2)
    other = Reader(rig.source(topic, group_id=group_id, session_timeout_ms=6_000, max_poll_interval_ms=6_000))
    other.own(2)
    with pytest.raises(AssignmentLost):
        slow.source.commit({TopicPartition(topic, 0): 1}, timeout_s=LIMIT_S)
    assert slow.poll().lost == {TopicPartition(topic, 0), TopicPartition(topic, 1)}


def test_a_static_member_that_comes_back_in_time_moves_nothing(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic(partitions=4)
    first, second = (Reader(rig.source(topic, group_id=group_id, group_instance_id=name)) for name in "ab")
    until(lambda: _shares(first, second) == [2, 2], LIMIT_S, "two partitions each")
    polls_before = len(first.polls)
    had = set(second.owned)
    second.source.close(timeout_s=LIMIT_S)
    second = Reader(rig.source(topic, group_id=group_id, group_instance_id="b"))
    until(lambda: _shares(first, second) == [2, 2], LIMIT_S, "two partitions again")
    assert second.owned == had
    assert not any(polled.assigned or polled.revoked or polled.lost for polled in first.polls[polls_before:])


def test_a_static_member_that_was_replaced_is_stopped(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    first = Reader(rig.source(topic, group_id=group_id, group_instance_id="same"))
    first.own(1)
    second = Reader(rig.source(topic, group_id=group_id, group_instance_id="same"))
    second.own(1)
    with pytest.raises(BrokerRefused, match="group_instance_id"):
        first.source.commit({TopicPartition(topic, 0): 0}, timeout_s=LIMIT_S)


# What librdkafka does not do by itself


@pytest.mark.parametrize("client_name", ["confluent"])
def test_a_static_member_that_was_replaced_is_stopped_though_it_never_commits(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    settings: dict[str, Any] = {"group_instance_id": "same", "session_timeout_ms": 6_000}
    first = Reader(rig.source(topic, group_id=group_id, **settings))
    first.own(1)
    second = Reader(rig.source(topic, group_id=group_id, **settings))
    second.own(1)
    with pytest.raises(BrokerRefused, match="group_instance_id"):
        first.poll_until(lambda: False, "the heartbeat that is refused")


@pytest.mark.parametrize("client_name", ["confluent"])
def test_a_transaction_with_an_older_member_id_is_refused_as_one_of_a_lost_assignment(
    rig: KafkaRig, group_id: str
) -> None:
    topic = rig.topic()
    first = Reader(rig.source(topic, group_id=group_id, group_instance_id="same"))
    first.own(1)
    first.poll_until(lambda: first.source.membership is not None, "a membership")
    older = first.source.membership
    Reader(rig.source(topic, group_id=group_id, group_instance_id="same")).own(1)
    sink = rig.transactional_sink(f"{group_id}.sink")
    sink.begin()
    with pytest.raises(AssignmentLost):
        sink.commit({TopicPartition(topic, 0): 0}, older, timeout_s=LIMIT_S)


@pytest.mark.parametrize("client_name", ["confluent"])
def test_a_revocation_during_a_commit_takes_effect_one_poll_after_it_is_reported(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic(partitions=2)
    rig.produce(topic, numbered(20, partitions=2))
    first = Reader(rig.source(topic, group_id=group_id))
    first.read(20)
    second = Reader(rig.source(topic, group_id=group_id))
    with closing(KafkaAdminClient(bootstrap_servers=rig.address)) as admin:

        def dealt_out() -> bool:
            second.poll()
            group = admin.describe_groups([group_id])[group_id]
            return group["group_state"] == "Stable" and len(group["members"]) == 2

        until(dealt_out, LIMIT_S, "the first member, without a poll, has joined with the second")
    first.source.commit({TopicPartition(topic, 0): 1, TopicPartition(topic, 1): 1}, timeout_s=LIMIT_S)
    (moving,) = first.poll().revoked
    first.source.commit({moving: 7}, timeout_s=LIMIT_S)
    assert rig.committed(group_id, topic)[moving.partition] == 7


@pytest.mark.parametrize("client_name", ["confluent"])
def test_a_partition_whose_committed_offset_the_library_did_not_learn_is_read(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    source: Any = rig.source(topic, group_id=group_id)
    reader = Reader(source)
    reader.own(1)
    rig.produce(topic, numbered(3))
    # The state after the coordinator was loading: assigned, not fetched, and reported once.
    source._consumer.move({0: ck.OFFSET_END})
    source._consumer.pause({0})
    source._buffer.forget({0})
    source._positions._stopped.add(0)
    source._is_of_a_partition(_ErrorMessage(ck.KafkaError(ck.KafkaError.NOT_COORDINATOR)))
    assert [record.offset for record in reader.read(3)] == [0, 1, 2]


# What is read


def test_records_of_aborted_transactions_are_skipped(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    for value, commit in ((b"a", True), (b"b", False), (b"c", True)):
        produce_in_transaction(rig.address, topic, [Message(value)], commit=commit)
    reader = Reader(rig.source(topic, group_id=group_id))
    reader.read(2)
    assert [(record.offset, record.value) for record in reader.records] == [(0, b"a"), (4, b"c")]
    reader.poll_until(lambda: reader.source.lag() == {TopicPartition(topic, 0): 0}, "no lag behind the last marker")


def test_a_message_of_five_megabytes_is_read(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic(max_message_bytes=6_000_000)
    rig.produce(topic, [Message(b"x" * 5_000_000), Message(b"next")])
    reader = Reader(rig.source(topic, group_id=group_id))
    reader.read(2)
    assert [len(value or b"") for value in reader.values] == [5_000_000, 4]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_records_are_read(rig: KafkaRig, group_id: str, codec: str) -> None:
    """The broker compresses here, as the Java client does, not a Python library."""
    topic = rig.topic(max_message_bytes=6_000_000)
    set_topic_config(rig.address, topic, "compression.type", codec)
    values = [b"small", b"large" * 200_000, b"last"]
    rig.produce(topic, [Message(value) for value in values])
    reader = Reader(rig.source(topic, group_id=group_id))
    reader.read(3)
    assert reader.values == values


@pytest.mark.parametrize("client_name", ["kafka-python"])
def test_a_header_whose_name_is_not_utf8_is_passed_on_as_it_is(rig: KafkaRig, group_id: str) -> None:
    topic, copied = rig.topic(), rig.topic()
    names = (b"\xff\xfe", "étoile".encode("latin-1"), "étoile".encode(), b"\xed\xa0\x80", b"")
    odd = tuple((RawName.of(name), b"%d" % number) for number, name in enumerate(names))
    rig.produce(topic, [Message(b"before"), Message(b"odd", b"k", odd), Message(b"after", headers=(("é", b"e"),))])

    original = Reader(rig.source(topic, group_id=group_id))
    original.read(3)
    sink = rig.sink()
    receipts = [sink.send(Outgoing(copied, r.key, r.value, r.headers)) for r in original.records]
    sink.flush(timeout_s=LIMIT_S)
    assert not any(receipt.error for receipt in receipts)
    copy = Reader(rig.source(copied, group_id=f"{group_id}.copy"))
    copy.read(3)
    with read_topic(rig.connection, copied, from_beginning=True) as without_group:
        records = [original.records, copy.records, list(islice(without_group, 3))]
    for before, odd_one, after in records:
        assert [str.encode(name, "utf-8", "surrogateescape") for name, _ in odd_one.headers] == list(names)
        assert [value for _, value in odd_one.headers] == [b"0", b"1", b"2", b"3", b"4"]
        assert (before.headers, after.headers) == ((), (("é", b"e"),))


@pytest.mark.parametrize("client_name", ["confluent"])
def test_confluent_drops_headers_whose_name_is_not_utf8_and_refuses_to_write_one(rig: KafkaRig, group_id: str) -> None:
    topic = rig.topic()
    odd, fine = ((RawName.of(b"\xff"), b"1"), ("fine", b"2")), (("é", b"e"),)
    messages = [Message(b"odd", headers=odd), Message(b"odd", headers=odd[::-1])] * 100  # the interpreter warms up
    rig.produce(topic, [*messages, Message(b"fine", headers=fine)])
    reader = Reader(rig.source(topic, group_id=group_id))
    assert [record.headers for record in reader.read(201)] == [()] * 200 + [fine]
    receipt = rig.sink().send(Outgoing(topic, None, b"v", (("\udcff", b"1"),)))
    assert isinstance(receipt.error, BrokerRefused)


# Starting


@pytest.mark.parametrize("client_name", ["kafka-python"])
def test_topics_are_counted_and_a_missing_one_is_named(rig: KafkaRig) -> None:
    topic = rig.topic(partitions=3)
    assert require_topics(rig.connection, [topic]) == {topic: 3}
    with pytest.raises(TopicMissing, match=r"there-is-no-such-topic: no such topic\. Create it"):
        require_topics(rig.connection, [topic, "there-is-no-such-topic"])


@pytest.mark.parametrize("client_name", ["kafka-python"])
def test_creating_a_topic_that_exists_leaves_it_as_it_is(rig: KafkaRig) -> None:
    topic = rig.topic(partitions=3)
    create_topics(rig.connection, {topic: 1})
    assert require_topics(rig.connection, [topic]) == {topic: 3}


@pytest.mark.parametrize("client_name", ["kafka-python"])
def test_a_topic_that_cannot_be_created_is_refused_with_the_reason(rig: KafkaRig) -> None:
    with pytest.raises(BrokerRefused, match="retention"):
        create_topics(rig.connection, {f"contract.{uuid4().hex}": 1}, {"retention.ms": "for ever"})


# The broker goes away


@second_client_at_night
def test_a_broker_that_is_killed_and_comes_back_costs_nothing(
    own_broker: Broker, client: Client, group_id: str
) -> None:
    with closing(KafkaRig(own_broker.address, client)) as rig:
        topic = rig.topic(partitions=2)
        reader = Reader(rig.source(topic, group_id=group_id))
        sink = rig.sink()
        receipts = [sink.send(Outgoing(topic, None, b"%d" % n, partition=n % 2)) for n in range(100)]
        sink.flush(timeout_s=LIMIT_S)
        reader.read(100)
        own_broker.kill()

        assert not reader.poll().records
        with pytest.raises(BrokerUnavailable):
            reader.source.commit(reader.positions, timeout_s=0.2)
        with pytest.raises(BrokerUnavailable):
            reader.source.rewind(timeout_s=0.2)
        receipts += [sink.send(Outgoing(topic, None, b"%d" % n, partition=n % 2)) for n in range(100, 200)]
        with pytest.raises(BrokerUnavailable, match="100 messages"):
            sink.flush(timeout_s=0.2)
        with pytest.raises(BrokerUnavailable, match="100 messages"):
            sink.flush(timeout_s=3600, hurried=lambda: True)
        reader.poll_until(lambda: reader.source.silence_s > 1, "silence")
        assert not reader.poll().records

        own_broker.start()
        sink.flush(timeout_s=2 * LIMIT_S)
        assert not any(receipt.error for receipt in receipts)
        reader.read(100)
        assert reader.positions == {TopicPartition(topic, partition): 100 for partition in range(2)}
        assert sorted(int(value or b"") for value in reader.values) == list(range(200))
        reader.poll_until(lambda: _committed(reader), "a commit")
        assert rig.committed(group_id, topic) == {0: 100, 1: 100}


@second_client_at_night
def test_a_static_member_whose_commit_outlived_its_session_joins_again(
    own_broker: Broker, client: Client, group_id: str
) -> None:
    """librdkafka sends that commit when the broker is back, without a member id, and takes us for replaced."""
    with closing(KafkaRig(own_broker.address, client)) as rig:
        topic = rig.topic()
        rig.produce(topic, numbered(5))
        settings: dict[str, Any] = {"group_instance_id": "one", "session_timeout_ms": 6_000}
        reader = Reader(rig.source(topic, group_id=group_id, **settings))
        reader.read(5)
        reader.source.commit({TopicPartition(topic, 0): 2}, timeout_s=LIMIT_S)
        own_broker.kill()
        with pytest.raises(BrokerUnavailable):
            reader.source.commit({TopicPartition(topic, 0): 3}, timeout_s=0.2)
        reader.poll_until(lambda: reader.source.silence_s > 7, "the end of the session")
        own_broker.start()
        rig.produce(topic, numbered(1, start=5))
        reader.poll_until(lambda: b"5" in reader.values, "what was stored after the broker came back")
        reader.poll_until(lambda: _committed(reader), "a commit")
        assert rig.committed(group_id, topic) == {0: 6}


@second_client_at_night
def test_a_transaction_that_finds_no_broker_is_given_up_in_time(
    own_broker: Broker, client: Client, group_id: str
) -> None:
    with closing(KafkaRig(own_broker.address, client)) as rig:
        topic = rig.topic()
        reader = Reader(rig.source(topic, group_id=group_id))
        reader.own(1)
        reader.poll_until(lambda: reader.source.membership is not None, "a membership")
        sink = rig.transactional_sink(group_id)
        for broker_is_there in (True, False):
            sink.begin()
            sink.send(Outgoing(topic, None, b"v", partition=0))
            sink.flush(timeout_s=LIMIT_S)
            if broker_is_there:
                sink.commit({TopicPartition(topic, 0): 0}, reader.source.membership, timeout_s=LIMIT_S)
        own_broker.kill()
        with pytest.raises(BrokerUnavailable):
            sink.commit({TopicPartition(topic, 0): 0}, reader.source.membership, timeout_s=1)
        own_broker.start()


@second_client_at_night
def test_a_message_without_an_answer_fails_in_time_and_a_new_sink_needs_no_broker(
    own_broker: Broker, client: Client
) -> None:
    with closing(KafkaRig(own_broker.address, client)) as rig:
        topic = rig.topic()
        connection = Connection(own_broker.address, request_timeout_ms=1_000)
        open_sink = client.sink_opener(connection, delivery_timeout_ms=1_500)
        sink = open_sink()
        sink.partition_count(topic)
        own_broker.pause()  # connections stay open: nothing but our own limits ends the waiting
        receipt = sink.send(Outgoing(topic, None, b"lost"))
        until(lambda: receipt.done, LIMIT_S, "the outcome of a message")
        assert isinstance(receipt.error, DeliveryFailed)
        sink.close(timeout_s=0)

        sink = open_sink()
        receipts = [sink.send(Outgoing(topic, None, b"lost too")) for _ in range(10)]
        assert all(isinstance(receipt.error, DeliveryFailed) for receipt in receipts)
        with pytest.raises(BrokerUnavailable):
            sink.partition_count(topic)
        own_broker.resume()
        assert until(lambda: _stored(sink, topic), LIMIT_S, "a message stored").error is None
        sink.close(timeout_s=LIMIT_S)


def test_an_unreachable_broker_is_reported_in_one_line_and_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        for address in ("127.0.0.1:1", f"127.0.0.1:{silent.getsockname()[1]}"):
            with pytest.raises(BrokerUnreachable, match=address) as caught:
                require_topics(Connection(address), ["any"], timeout_s=0.5)
            assert "\n" not in str(caught.value)
    with pytest.raises(BrokerUnreachable):
        KafkaSource(Connection("127.0.0.1:1"), topic="any", group_id="any")
    assert threading.active_count() == threads


class _ErrorMessage(NamedTuple):
    """A message of the library that is an error."""

    content: ck.KafkaError

    def error(self) -> ck.KafkaError:
        return self.content


def _shares(*readers: Reader) -> list[int]:
    """Let each poll once: how many partitions each has."""
    for reader in readers:
        reader.poll()
    return [len(reader.owned) for reader in readers]


def _committed(reader: Reader) -> bool:
    try:
        reader.source.commit(reader.positions, timeout_s=1)
    except (AssignmentLost, BrokerUnavailable):
        return False
    return True


def _rewound(reader: Reader) -> bool:
    try:
        reader.source.rewind(timeout_s=0.5)
    except BrokerUnavailable:
        return False
    return True


def _stored(sink: Sink, topic: str) -> Receipt | None:
    """Send until a message is stored: its receipt."""
    receipt = sink.send(Outgoing(topic, None, b"stored"))
    with contextlib.suppress(BrokerUnavailable):
        sink.flush(timeout_s=5)
    return receipt if receipt.done and receipt.error is None else None


@second_client_at_night
def test_an_offset_lookup_that_timed_out_does_not_answer_a_later_one(
    own_broker: Broker, client: Client, group_id: str
) -> None:
    with closing(KafkaRig(own_broker.address, client)) as rig:
        topic = rig.topic()
        rig.produce(topic, numbered(5))
        reader = Reader(rig.source(topic, group_id=group_id))
        reader.read(5)
        reader.source.commit({TopicPartition(topic, 0): 2}, timeout_s=LIMIT_S)
        own_broker.pause()
        until(lambda: not _rewound(reader), LIMIT_S, "the broker to hang")
        own_broker.resume()
        reader.source.commit({TopicPartition(topic, 0): 4}, timeout_s=LIMIT_S)
        reader.source.rewind(timeout_s=LIMIT_S)
        assert [record.value for record in reader.read(1)] == [b"4"]


@pytest.mark.parametrize("client_name", ["kafka-python"])
def test_a_message_sent_while_another_one_fails_is_refused(rig: KafkaRig, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = rig.sink()
    assert isinstance(sink, KafkaSink)
    hand_over = sink._producer.send

    def while_another_fails(*message: Any) -> Any:
        sink._end()
        until(lambda: not sink._producer._sender.is_alive(), LIMIT_S, "the producer's thread has ended")
        return hand_over(*message)

    monkeypatch.setattr(sink._producer, "send", while_another_fails)
    receipt = sink.send(Outgoing(rig.topic(), b"k", b"v"))
    assert isinstance(receipt.error, DeliveryFailed)
