"""Results leave in the order of their offsets."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.broker.contract import TopicPartition
from worker.delivery.ordering import Ordering

P0, P1 = TopicPartition("reviews.raw", 0), TopicPartition("reviews.raw", 1)


@given(st.lists(st.sampled_from([P0, P1]), max_size=60), st.randoms(use_true_random=False))
def test_all_results_leave_in_the_order_of_their_partition(read: list[TopicPartition], random: Random) -> None:
    ordering: Ordering[tuple[TopicPartition, int]] = Ordering()
    for offset, partition in enumerate(read):
        ordering.expect(partition, offset)
    left: list[tuple[TopicPartition, int]] = []
    for offset, partition in random.sample(list(enumerate(read)), len(read)):
        left += ordering.complete(partition, offset, (partition, offset))
    for partition in (P0, P1):
        expected = [(owner, offset) for offset, owner in enumerate(read) if owner == partition]
        assert [result for result in left if result[0] == partition] == expected


def test_a_partition_does_not_wait_for_another() -> None:
    ordering: Ordering[str] = Ordering()
    ordering.expect(P0, 0)
    ordering.expect(P1, 0)
    assert ordering.complete(P1, 0, "one") == ["one"]


def test_forgetting_a_partition_returns_its_early_results_and_expects_no_more() -> None:
    ordering: Ordering[str] = Ordering()
    for offset in range(3):
        ordering.expect(P0, offset)
    ordering.complete(P0, 2, "third")
    assert ordering.forget(P0) == ["third"]
    with pytest.raises(KeyError):
        ordering.complete(P0, 0, "first")
    ordering.expect(P0, 0)
    assert ordering.complete(P0, 0, "first again") == ["first again"]
