"""What every transactional sink does, real or fake, as tests. Inherit and give a `rig`."""

from collections.abc import Callable

import pytest

from tests.contract.rig import LIMIT_S, BrokerRig, Reader, numbered
from worker.broker.contract import Outgoing, TopicPartition, TransactionalSink
from worker.errors import AssignmentLost, Fenced


class TransactionContract:
    """Needs the fixtures `rig` and `group_id` (a group without members or offsets)."""

    @pytest.fixture
    def open_sink(self, rig: BrokerRig, group_id: str) -> Callable[[], TransactionalSink]:
        return lambda: rig.transactional_sink(f"{group_id}.worker")

    @pytest.fixture
    def reader(self, rig: BrokerRig, group_id: str) -> Reader:
        """A member of the group that has read ten records of one partition."""
        topic = rig.topic()
        rig.produce(topic, numbered(10))
        reader = Reader(rig.source(topic, group_id=group_id))
        reader.read(10)
        reader.poll_until(lambda: reader.source.membership, "a membership")
        return reader

    def test_messages_and_offsets_are_stored_together(
        self, rig: BrokerRig, group_id: str, reader: Reader, open_sink: Callable[[], TransactionalSink]
    ) -> None:
        sink, target = open_sink(), rig.topic(partitions=2)
        for round_ in range(3):
            _send(sink, target, [f"{round_}-{number}" for number in range(4)])
            _commit(sink, reader, 3 * (round_ + 1))
        values = [f"{round_}-{number}".encode() for round_ in range(3) for number in range(4)]
        assert sorted(message.value or b"" for message in rig.stored(target)) == values
        assert rig.committed(group_id, _topic(reader)) == {0: 9}

    def test_what_was_not_committed_is_never_readable(
        self, rig: BrokerRig, group_id: str, reader: Reader, open_sink: Callable[[], TransactionalSink]
    ) -> None:
        target = rig.topic()
        first = open_sink()
        _send(first, target, ["never"])
        first.close(timeout_s=0)
        second = open_sink()
        _send(second, target, ["seen"])
        _commit(second, reader, 1)
        assert [message.value for message in rig.stored(target)] == [b"seen"]
        assert rig.committed(group_id, _topic(reader)) == {0: 1}

    def test_an_earlier_sink_of_the_same_id_is_fenced(
        self, rig: BrokerRig, group_id: str, reader: Reader, open_sink: Callable[[], TransactionalSink]
    ) -> None:
        target = rig.topic()
        zombie = open_sink()
        _send(zombie, target, ["of the zombie"])
        successor = open_sink()
        with pytest.raises(Fenced):
            _commit(zombie, reader, 5)
        _send(successor, target, ["of its successor"])
        _commit(successor, reader, 5)
        assert [message.value for message in rig.stored(target)] == [b"of its successor"]
        assert rig.committed(group_id, _topic(reader)) == {0: 5}

    def test_a_member_that_was_thrown_out_can_store_nothing(
        self, rig: BrokerRig, group_id: str, reader: Reader, open_sink: Callable[[], TransactionalSink]
    ) -> None:
        sink, target = open_sink(), rig.topic()
        membership = reader.source.membership
        _send(sink, target, ["too late"])
        rig.evict(reader.source, group_id)
        with pytest.raises(AssignmentLost):
            sink.commit({next(iter(reader.owned)): 5}, membership, timeout_s=LIMIT_S)
        sink.close(timeout_s=0)
        open_sink()  # ends what was left open
        assert rig.stored(target) == []
        assert rig.committed(group_id, _topic(reader)).get(0, 0) == 0


def _topic(reader: Reader) -> str:
    return reader.records[0].partition.topic


def _send(sink: TransactionalSink, topic: str, values: list[str]) -> None:
    sink.begin()
    receipts = [sink.send(Outgoing(topic, b"k", value.encode(), partition=0)) for value in values]
    sink.flush(timeout_s=LIMIT_S)
    assert [receipt.error for receipt in receipts if receipt.error is not None] == []


def _commit(sink: TransactionalSink, reader: Reader, next_offset: int) -> None:
    sink.commit({TopicPartition(_topic(reader), 0): next_offset}, reader.source.membership, timeout_s=LIMIT_S)
