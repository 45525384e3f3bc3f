"""The fake keeps the contract, and does on demand what a real broker does when it likes."""

from collections.abc import Iterable
from itertools import count

import pytest

from tests.contract.rig import Reader
from tests.contract.sink_contract import SinkContract
from tests.contract.source_contract import SourceContract
from tests.contract.transaction_contract import TransactionContract
from tests.fakes.fake_broker import FakeBroker, FakeSource
from tests.support.kafka_io import Message, Stored
from worker.broker.contract import Outgoing, Sink, Source, TopicPartition, TransactionalSink
from worker.errors import AssignmentLost, BrokerUnavailable, DeliveryFailed

RAW = TopicPartition("raw", 0), TopicPartition("raw", 1)


class FakeRig:
    """The fake as the suites want it."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self._names = (f"topic-{number}" for number in count())

    def topic(self, *, partitions: int = 1, max_message_bytes: int | None = None) -> str:
        name = next(self._names)
        self.broker.create_topic(name, partitions=partitions, max_message_bytes=max_message_bytes or 1_048_588)
        return name

    def delete_topic(self, topic: str) -> None:
        self.broker.delete_topic(topic)

    def recreate_topic(self, topic: str) -> None:
        self.broker.delete_topic(topic)
        self.broker.create_topic(topic)

    def delete_records(self, partition: TopicPartition, *, before: int) -> None:
        self.broker.delete_records(partition, before=before)

    def produce(self, topic: str, messages: Iterable[Message]) -> None:
        for m in messages:
            partition = TopicPartition(topic, m.partition or 0)
            self.broker.append(partition, m.value, key=m.key, headers=m.headers, timestamp_ms=m.timestamp_ms)

    def stored(self, topic: str) -> list[Stored]:
        return [
            Stored(r.partition.partition, r.offset, r.key, r.value, r.headers, r.timestamp_ms or 0)
            for r in self.broker.stored(topic)
        ]

    def committed(self, group_id: str, topic: str) -> dict[int, int]:
        return {
            partition.partition: next_offset
            for partition, next_offset in self.broker.committed[group_id].items()
            if partition.topic == topic
        }

    def evict(self, source: Source, group_id: str) -> None:  # noqa: ARG002  # the real one needs it
        assert isinstance(source, FakeSource)
        self.broker.evict(source)

    def source(self, topic: str, *, group_id: str) -> Source:
        return self.broker.source(topic, group_id=group_id)

    def sink(self) -> Sink:
        return self.broker.sink()

    def transactional_sink(self, transactional_id: str) -> TransactionalSink:
        return self.broker.transactional_sink(transactional_id)


@pytest.fixture
def rig() -> FakeRig:
    return FakeRig()


@pytest.fixture
def group_id() -> str:
    return "group"


class TestFakeSource(SourceContract):
    """The suite."""


class TestFakeSink(SinkContract):
    """The suite."""


class TestFakeTransactionalSink(TransactionContract):
    """The suite."""


@pytest.fixture
def broker() -> FakeBroker:
    broker = FakeBroker()
    broker.create_topic("raw", partitions=2)
    broker.create_topic("scored", partitions=2)
    return broker


def test_gaps_in_a_log_are_skipped(broker: FakeBroker) -> None:
    for n in range(6):
        broker.append(RAW[0], b"%d" % n)
    broker.compact(RAW[0], {0, 2, 3, 5})
    reader = Reader(broker.source("raw", group_id="g"))
    reader.read(2)
    assert [record.offset for record in reader.records] == [1, 4]
    assert broker.end_offset(RAW[0]) == 6


def test_partitions_move_to_the_member_that_a_test_names(broker: FakeBroker) -> None:
    first, second = (Reader(broker.source("raw", group_id="g")) for _ in range(2))
    first.own(2)
    second.poll()  # joins: one of the two is promised to it
    first.own(1)
    first.poll()
    second.own(1)
    assert isinstance(second.source, FakeSource)
    broker.assign(second.source, RAW)
    assert not second.poll().assigned, "the owner has not let go yet"
    first.own(0)
    assert not second.poll().assigned, "the owner may still commit"
    first.poll()
    second.own(2)


def test_an_evicted_member_loses_its_partitions_and_gets_them_again(broker: FakeBroker) -> None:
    source = broker.source("raw", group_id="g")
    reader = Reader(source)
    reader.own(2)
    broker.evict(source)
    with pytest.raises(AssignmentLost):
        source.commit({RAW[0]: 0}, timeout_s=1)
    polled = reader.poll()
    assert polled.lost == polled.assigned == frozenset(RAW)


def test_a_commit_fails_with_each_error_that_a_test_has_queued(broker: FakeBroker) -> None:
    source = broker.source("raw", group_id="g")
    Reader(source).own(2)
    source.commit_errors += [AssignmentLost("a"), BrokerUnavailable("b")]
    for error in (AssignmentLost, BrokerUnavailable):
        with pytest.raises(error):
            source.commit({RAW[0]: 1}, timeout_s=1)
    source.commit({RAW[0]: 1}, timeout_s=1)
    assert broker.committed["g"] == {RAW[0]: 1}


def test_while_the_broker_is_away_polls_are_empty_and_nothing_is_answered(broker: FakeBroker) -> None:
    broker.append(RAW[0], b"v")
    source, sink = broker.source("raw", group_id="g"), broker.sink()
    reader = Reader(source)
    reader.own(2)
    broker.available = False
    assert not reader.poll().records
    with pytest.raises(BrokerUnavailable):
        source.commit({RAW[0]: 1}, timeout_s=1)
    with pytest.raises(BrokerUnavailable):
        source.rewind(timeout_s=1)
    with pytest.raises(BrokerUnavailable):
        sink.partition_count("scored")
    receipt = sink.send(Outgoing("scored", None, b"x"))
    with pytest.raises(BrokerUnavailable):
        sink.flush(timeout_s=1)
    assert not receipt.done
    broker.available = True
    sink.flush(timeout_s=1)
    assert receipt.done
    assert len(reader.read(1)) == 1


def test_acknowledgements_held_back_come_in_any_order_across_partitions(broker: FakeBroker) -> None:
    sink = broker.sink()
    sink.hold = True
    zero, also_zero, one = (sink.send(Outgoing("scored", None, b"%d" % n, partition=n // 2)) for n in range(3))
    with pytest.raises(BrokerUnavailable):
        sink.flush(timeout_s=1)
    sink.settle_oldest(TopicPartition("scored", 1))
    assert (zero.done, also_zero.done, one.done) == (False, False, True)
    sink.settle_oldest(TopicPartition("scored", 0), DeliveryFailed("expired"))
    sink.settle_oldest(TopicPartition("scored", 0))
    assert isinstance(zero.error, DeliveryFailed)
    assert [record.value for record in broker.stored("scored")] == [b"1", b"2"]


def test_closing_fails_what_is_held_back(broker: FakeBroker) -> None:
    sink = broker.sink()
    sink.hold = True
    receipt = sink.send(Outgoing("scored", None, b"x"))
    sink.close(timeout_s=1)
    assert isinstance(receipt.error, DeliveryFailed)
    assert broker.stored("scored") == []


def test_a_topic_can_be_made_to_refuse(broker: FakeBroker) -> None:
    broker.refusals["scored"] = DeliveryFailed("no")
    assert broker.sink().send(Outgoing("scored", None, b"x")).error is broker.refusals["scored"]
