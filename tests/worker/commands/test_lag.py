"""How far a group is behind, computed from the broker's answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.broker.cluster.survey import Group, Member
from worker.broker.contract import TopicPartition
from worker.commands.lag import Lag, PartitionLag, lag_of, seconds_left, table

RAW = "reviews.raw"
NOBODY = Group("g", "Empty", "", ())


def member(*partitions: int, instance_id: str | None = None) -> Member:
    return Member("client", "10.0.0.1", instance_id, frozenset(TopicPartition(RAW, number) for number in partitions))


def behind(records: int, at_s: float) -> Lag:
    return Lag(at_s, 0, (PartitionLag(0, 0, records, records, None),))


def test_each_partition_has_its_offsets_its_lag_and_its_member() -> None:
    group = Group("g", "Stable", "cooperative-sticky", (member(0), member(1, instance_id="pod-1")))
    found = lag_of(RAW, group, {0: 40, 1: 70}, {0: (0, 100), 1: (0, 70)}, at_s=0)
    assert found.partitions == (
        PartitionLag(0, 40, 100, 60, "client@10.0.0.1"),
        PartitionLag(1, 70, 70, 0, "pod-1@10.0.0.1"),
    )
    assert (found.total, found.members) == (60, 2)


def test_a_partition_without_a_committed_offset_starts_with_the_oldest_record() -> None:
    [only] = lag_of(RAW, NOBODY, {}, {0: (30, 100)}, at_s=0).partitions
    assert (only.committed, only.lag, only.member) == (None, 70, None)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_the_lag_is_what_can_still_be_read_and_never_negative(first: int, length: int, committed: int) -> None:
    [only] = lag_of(RAW, NOBODY, {0: committed}, {0: (first, first + length)}, at_s=0).partitions
    assert only.lag == len([offset for offset in range(first, first + length) if offset >= committed])


@pytest.mark.parametrize(
    ("before", "now", "left_s"), [(1000, 900, 90.0), (900, 900, None), (900, 1000, None), (500, 0, 0.0), (0, 0, 0.0)]
)
def test_two_measurements_estimate_when_it_will_have_caught_up(before: int, now: int, left_s: float | None) -> None:
    assert seconds_left(behind(before, at_s=5), behind(now, at_s=15)) == left_s


def test_one_measurement_estimates_nothing() -> None:
    assert seconds_left(None, behind(0, at_s=5)) is None


def test_the_table_is_aligned_and_has_a_line_for_each_partition() -> None:
    rows = [PartitionLag(0, None, 7, 7, None), PartitionLag(11, 123456, 123460, 4, "a@b")]
    assert table(rows).splitlines() == [
        "partition  committed     end  lag  member",
        "        0          -       7    7  -",
        "       11     123456  123460    4  a@b",
    ]
