"""What every source does, real or fake: the contract of a Source as tests. Inherit and give a `rig`."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.contract.rig import LIMIT_S, BrokerRig, Reader, numbered
from tests.support.kafka_io import Message
from tests.support.until import until
from worker.broker.contract import Source, TopicPartition
from worker.errors import AssignmentLost, TopicMissing


class SourceContract:
    """Needs the fixtures `rig` and `group_id` (a group without members or offsets)."""

    @pytest.fixture
    def open_reader(self, rig: BrokerRig, group_id: str) -> Callable[[str], Reader]:
        return lambda topic: Reader(rig.source(topic, group_id=group_id))

    # Where reading begins

    def test_a_new_group_reads_from_the_earliest_record(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(3))
        reader = open_reader(topic)
        reader.read(3)
        assert reader.values == [b"0", b"1", b"2"]

    def test_a_group_reads_on_from_its_committed_offset(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(5))
        first = open_reader(topic)
        first.read(5)
        first.source.commit({TopicPartition(topic, 0): 2}, timeout_s=LIMIT_S)
        first.source.close(timeout_s=LIMIT_S)

        second = open_reader(topic)
        second.read(3)
        assert second.values == [b"2", b"3", b"4"]

    # What a poll returns

    def test_records_of_a_partition_come_in_order_and_all_of_them(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=3)
        rig.produce(topic, numbered(300, partitions=3))
        reader = open_reader(topic)
        reader.read(300, max_records=7)
        for partition in range(3):
            ours = [record for record in reader.records if record.partition.partition == partition]
            assert [record.offset for record in ours] == list(range(100))
            assert [record.value for record in ours] == [b"%d" % number for number in range(partition, 300, 3)]

    def test_a_record_is_returned_as_it_was_written(self, rig: BrokerRig, open_reader: Callable[[str], Reader]) -> None:
        topic = rig.topic(partitions=2)
        headers = (("trace", b"\x00\xff"), ("empty", b""), ("trace", b"again"))
        rig.produce(topic, [Message(b"v", b"k", headers, partition=1, timestamp_ms=1_600_000_000_123)])
        reader = open_reader(topic)
        (record,) = reader.read(1)
        assert (record.key, record.value, record.headers) == (b"k", b"v", headers)
        assert (record.partition, record.offset) == (TopicPartition(topic, 1), 0)
        assert record.timestamp_ms == 1_600_000_000_123

    def test_missing_keys_and_values_are_none(self, rig: BrokerRig, open_reader: Callable[[str], Reader]) -> None:
        topic = rig.topic()
        rig.produce(topic, [Message(b"v", None), Message(None, b"k"), Message(b"", b"")])
        reader = open_reader(topic)
        reader.read(3)
        assert [(record.key, record.value) for record in reader.records] == [(None, b"v"), (b"k", None), (b"", b"")]

    def test_records_that_come_later_are_read(self, rig: BrokerRig, open_reader: Callable[[str], Reader]) -> None:
        topic = rig.topic()
        reader = open_reader(topic)
        reader.own(1)
        rig.produce(topic, numbered(1))
        reader.read(1)
        rig.produce(topic, numbered(1, start=1))
        reader.read(1)
        assert reader.values == [b"0", b"1"]

    # Pausing

    def test_a_paused_partition_returns_nothing_while_the_others_go_on(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=2)
        reader = open_reader(topic)
        reader.own(2)
        paused, open_ = TopicPartition(topic, 0), TopicPartition(topic, 1)
        reader.source.pause([paused])
        rig.produce(topic, numbered(20, partitions=2))
        reader.read(10, max_records=3)
        assert {record.partition for record in reader.records} == {open_}
        assert not reader.poll().records
        assert reader.owned == {paused, open_}

        reader.source.resume([paused])
        assert [record.offset for record in reader.read(10)] == list(range(10))

    def test_a_partition_can_be_paused_with_records_already_fetched(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(10))
        reader = open_reader(topic)
        reader.poll_until(lambda: reader.records, "a first record", max_records=1)
        reader.source.pause(reader.owned)
        for _ in range(5):
            assert not reader.poll().records
        reader.source.resume(reader.owned)
        reader.read(9)
        assert reader.values == [b"%d" % number for number in range(10)]

    def test_a_partition_paused_half_read_goes_on_though_others_were_read_meanwhile(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=3)
        rig.produce(topic, numbered(60, partitions=3))
        reader = open_reader(topic)
        reader.own(3)
        reader.poll_until(lambda: reader.records, "a first record", max_records=3)
        half_read = {record.partition for record in reader.records}
        reader.source.pause(half_read)
        reader.read(60 - 20 * len(half_read))
        reader.source.resume(half_read)
        reader.read(60 - len(reader.records))
        assert reader.positions == {TopicPartition(topic, partition): 20 for partition in range(3)}

    def test_pausing_and_resuming_what_is_not_ours_does_nothing(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(1))
        reader = open_reader(topic)
        reader.source.pause([TopicPartition(topic, 0)])  # not assigned yet
        reader.read(1)
        reader.source.pause([TopicPartition(topic, 99), TopicPartition("other", 0)])
        reader.source.resume([TopicPartition(topic, 99), TopicPartition("other", 0)])

    # Commits

    def test_a_commit_is_there_for_others_when_it_returns(
        self, rig: BrokerRig, group_id: str, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=2)
        rig.produce(topic, numbered(6, partitions=2))
        reader = open_reader(topic)
        reader.read(6)
        reader.source.commit({TopicPartition(topic, 0): 3, TopicPartition(topic, 1): 1}, timeout_s=LIMIT_S)
        assert rig.committed(group_id, topic) == {0: 3, 1: 1}
        reader.source.commit({TopicPartition(topic, 1): 2}, timeout_s=LIMIT_S)
        assert rig.committed(group_id, topic) == {0: 3, 1: 2}

    def test_partitions_of_others_are_left_out_of_a_commit(
        self, rig: BrokerRig, group_id: str, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        reader = open_reader(topic)
        reader.own(1)
        other = TopicPartition(rig.topic(), 0)
        reader.source.commit({other: 7}, timeout_s=LIMIT_S)
        reader.source.commit({other: 7, TopicPartition(topic, 0): 0}, timeout_s=LIMIT_S)
        assert rig.committed(group_id, topic) == {0: 0}
        assert rig.committed(group_id, other.topic) == {}

    def test_a_member_that_was_thrown_out_of_the_group_cannot_commit(
        self, rig: BrokerRig, group_id: str, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(2))
        reader = open_reader(topic)
        reader.read(2)
        rig.evict(reader.source, group_id)
        with pytest.raises(AssignmentLost):
            reader.source.commit({TopicPartition(topic, 0): 2}, timeout_s=LIMIT_S)
        assert rig.committed(group_id, topic) == {}

    # Rewinding

    def test_rewind_returns_everything_after_the_committed_offset_again(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=2)
        rig.produce(topic, numbered(10, partitions=2))
        reader = open_reader(topic)
        reader.read(10)
        reader.source.commit({TopicPartition(topic, 1): 3}, timeout_s=LIMIT_S)
        reader.source.rewind(timeout_s=LIMIT_S)
        again = sorted((record.partition.partition, record.offset) for record in reader.read(7))
        assert again == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (1, 4)]

    def test_rewind_in_the_middle_of_what_was_fetched_loses_nothing(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(50))
        reader = open_reader(topic)
        reader.poll_until(lambda: len(reader.records) >= 20, "20 records", max_records=10)
        reader.source.rewind(timeout_s=LIMIT_S)
        again = reader.read(50, max_records=10)
        assert [record.offset for record in again] == list(range(50))

    def test_rewind_before_anything_is_ours_does_nothing(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        open_reader(rig.topic()).source.rewind(timeout_s=LIMIT_S)

    # The group

    def test_an_assignment_is_reported_once(self, rig: BrokerRig, open_reader: Callable[[str], Reader]) -> None:
        topic = rig.topic(partitions=3)
        rig.produce(topic, numbered(9, partitions=3))
        reader = open_reader(topic)
        reader.own(3)
        reader.read(9 - len(reader.records))
        for _ in range(5):
            reader.poll()
        assert sum(len(polled.assigned) for polled in reader.polls) == 3
        assert sum(len(polled.lost | polled.revoked) for polled in reader.polls) == 0

    def test_members_share_the_partitions_and_move_only_what_must_move(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=4)
        first = open_reader(topic)
        first.own(4)
        before = len(first.polls)
        second = open_reader(topic)
        _settle([first, second], {2})
        assert not first.owned & second.owned
        moved = [partition for polled in first.polls[before:] for partition in polled.revoked]
        assert sorted(moved) == sorted(second.owned)
        assert not any(polled.assigned for polled in first.polls[before:])

    def test_a_member_that_takes_a_partition_over_reads_on_from_its_committed_offset(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=2)
        rig.produce(topic, numbered(20, partitions=2))
        first = open_reader(topic)
        first.read(20)
        first.source.commit({TopicPartition(topic, 0): 4, TopicPartition(topic, 1): 6}, timeout_s=LIMIT_S)
        second = open_reader(topic)
        _settle([first, second], {1})
        (taken,) = second.owned
        expected = list(range({0: 4, 1: 6}[taken.partition], 10))
        if len(second.records) < len(expected):
            second.read(len(expected) - len(second.records))
        assert [record.offset for record in second.records] == expected
        assert len(first.records) == 20, "what stayed was read again"

    def test_what_is_handed_over_can_be_committed_until_the_next_poll(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=2)
        rig.produce(topic, numbered(20, partitions=2))
        first = open_reader(topic)
        first.read(20)
        second = open_reader(topic)

        def handed_over() -> bool:
            second.poll()
            return bool(first.poll().revoked)

        until(handed_over, LIMIT_S, "a partition is handed over")
        (moving,) = first.polls[-1].revoked
        first.source.commit({moving: 7}, timeout_s=LIMIT_S)
        _settle([first, second], {1})
        if len(second.records) < 3:
            second.read(3 - len(second.records))
        assert [record.offset for record in second.records] == [7, 8, 9]

    def test_there_is_proof_of_membership_while_the_group_is_stable(
        self, open_reader: Callable[[str], Reader], rig: BrokerRig
    ) -> None:
        reader = open_reader(rig.topic())
        reader.own(1)
        reader.poll_until(lambda: reader.source.membership is not None, "a membership")

    def test_a_member_that_leaves_gives_its_partitions_back(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=4)
        first, second = open_reader(topic), open_reader(topic)
        _settle([first, second], {2})
        first.source.close(timeout_s=LIMIT_S)
        second.own(4)

    def test_a_member_that_was_thrown_out_comes_back_and_reads_on_from_the_committed_offset(
        self, rig: BrokerRig, group_id: str, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=2)
        rig.produce(topic, numbered(10, partitions=2))
        reader = open_reader(topic)
        reader.read(10)
        reader.source.commit({TopicPartition(topic, 0): 2}, timeout_s=LIMIT_S)
        reader.source.pause(reader.owned)
        rig.evict(reader.source, group_id)
        before = len(reader.polls)
        # A commit notices that the broker has removed us; a heartbeat would take seconds.
        with pytest.raises(AssignmentLost):
            reader.source.commit({TopicPartition(topic, 0): 5}, timeout_s=LIMIT_S)
        again = sorted((record.partition.partition, record.offset) for record in reader.read(8))
        assert again == [(0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]
        assert frozenset().union(*(polled.lost for polled in reader.polls[before:])) == reader.owned

    # Silence

    def test_a_broker_that_is_there_is_never_silent_for_long(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        reader = open_reader(rig.topic())
        silences = []
        reader.poll_until(lambda: bool(reader.owned), "a partition")
        for _ in range(20):
            reader.poll()
            silences.append(reader.source.silence_s)
        assert max(silences) < 5  # s; worker.monitoring.health allows ten

    # Lag

    def test_lag_is_what_is_still_to_be_read(self, rig: BrokerRig, open_reader: Callable[[str], Reader]) -> None:
        topic = rig.topic(partitions=2)
        rig.produce(topic, numbered(20, partitions=2))
        reader = open_reader(topic)
        reader.read(5, max_records=1)
        fetched = reader.source.lag()
        assert fetched.keys() <= reader.owned
        reader.read(15)
        reader.poll_until(
            lambda: reader.source.lag() == {TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 0}, "no lag"
        )
        for partition, lag in fetched.items():
            assert lag == 10 - sum(record.partition == partition for record in reader.records[:5])

    def test_lag_of_a_topic_without_records_is_zero(self, rig: BrokerRig, group_id: str) -> None:
        for number in range(10):  # whether a fetch reports its end differs
            source = rig.source(rig.topic(partitions=4), group_id=f"{group_id}-{number}")
            reader = Reader(source)
            reader.poll_until(lambda source=source: list(source.lag().values()) == [0] * 4, "the lag is known")  # type: ignore[misc]

    def test_lag_grows_with_a_topic_that_is_not_read(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        rig.produce(topic, numbered(5))
        reader = open_reader(topic)
        reader.read(5)
        reader.source.pause(reader.owned)
        rig.produce(topic, numbered(7))
        reader.poll_until(lambda: reader.source.lag() == {TopicPartition(topic, 0): 7}, "a lag of seven")
        reader.source.resume(reader.owned)
        reader.read(7)
        reader.poll_until(lambda: reader.source.lag() == {TopicPartition(topic, 0): 0}, "no lag")

    # Deleted records and topics

    @staticmethod
    def _all_committed(rig: BrokerRig, open_reader: Callable[[str], Reader]) -> tuple[str, TopicPartition, Reader]:
        """A topic of one partition, whose five records a reader has read and committed."""
        topic = rig.topic()
        partition = TopicPartition(topic, 0)
        rig.produce(topic, numbered(5))
        reader = open_reader(topic)
        reader.read(5)
        reader.source.commit({partition: 5}, timeout_s=LIMIT_S)
        return topic, partition, reader

    def test_records_that_were_deleted_before_they_were_read_are_skipped_and_counted(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic, partition, reader = self._all_committed(rig, open_reader)
        reader.source.pause([partition])
        rig.produce(topic, numbered(20, start=5))
        rig.delete_records(partition, before=12)
        reader.source.rewind(timeout_s=LIMIT_S)  # discards what was fetched ahead
        reader.source.resume([partition])
        assert [record.offset for record in reader.read(13)] == list(range(12, 25))
        assert sum(polled.skipped for polled in reader.polls) == 7
        assert reader.polls[-1].lost == frozenset()
        assert reader.owned == {partition}

    @pytest.mark.parametrize("count", [3, 9], ids=["shorter", "longer"])
    def test_a_recreated_topic_is_read_from_its_beginning(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader], count: int
    ) -> None:
        topic, partition, reader = self._all_committed(rig, open_reader)
        before = len(reader.polls)
        rig.recreate_topic(topic)
        rig.produce(topic, numbered(count, start=100))
        reader.poll_until(lambda: b"100" in reader.values, "the first record of the new topic")
        reader.poll_until(lambda: reader.values[-1] == b"%d" % (99 + count), "its last record")
        recreated = reader.values.index(b"100")
        assert reader.values[recreated:] == [b"%d" % number for number in range(100, 100 + count)]
        assert partition in frozenset().union(*(polled.lost for polled in reader.polls[before:]))
        assert sum(polled.skipped for polled in reader.polls) == 0

    # The end

    def test_a_deleted_topic_is_fatal(self, rig: BrokerRig, open_reader: Callable[[str], Reader]) -> None:
        topic = rig.topic()
        reader = open_reader(topic)
        reader.own(1)
        rig.delete_topic(topic)
        with pytest.raises(TopicMissing, match=topic):
            reader.poll_until(lambda: False, "the error")

    def test_a_closed_source_refuses_everything_but_another_close(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic()
        reader = open_reader(topic)
        reader.own(1)
        partition = TopicPartition(topic, 0)
        source: Source = reader.source
        source.close(timeout_s=LIMIT_S)
        source.close(timeout_s=LIMIT_S)
        for call in (
            lambda: source.poll(timeout_s=0, max_records=1),
            lambda: source.pause([partition]),
            lambda: source.resume([partition]),
            lambda: source.commit({partition: 1}, timeout_s=1),
            lambda: source.rewind(timeout_s=1),
            source.lag,
        ):
            with pytest.raises(RuntimeError, match="closed"):
                call()

    def test_a_source_that_never_polled_can_be_closed(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        open_reader(rig.topic()).source.close(timeout_s=LIMIT_S)

    def test_offsets_ascend_across_polls_while_partitions_are_paused(
        self, rig: BrokerRig, open_reader: Callable[[str], Reader]
    ) -> None:
        topic = rig.topic(partitions=3)
        rig.produce(topic, numbered(90, partitions=3))
        reader = open_reader(topic)
        reader.own(3)
        turn = 0
        while len(reader.records) < 90:
            turn += 1
            reader.source.resume(reader.owned)
            reader.source.pause([TopicPartition(topic, turn % 3)])
            reader.poll(max_records=4)
            assert turn < 2000, f"only {len(reader.records)} records came"
        for partition in reader.owned:
            offsets = [record.offset for record in reader.records if record.partition == partition]
            assert all(later == earlier + 1 for earlier, later in pairwise(offsets))


def _settle(readers: list[Reader], shares: set[int]) -> None:
    """Poll all members in turn until each owns its share."""

    def settled() -> bool:
        for reader in readers:
            reader.poll()
        return {len(reader.owned) for reader in readers} == shares

    until(settled, LIMIT_S, f"shares of {shares} partitions")
