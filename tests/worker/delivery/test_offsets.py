"""Which offsets may be committed."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.broker.contract import TopicPartition
from worker.delivery.offsets import Offsets

P0, P1 = TopicPartition("reviews.raw", 0), TopicPartition("reviews.raw", 1)


def owning(*partitions: TopicPartition) -> Offsets:
    offsets = Offsets()
    for partition in partitions:
        offsets.assign(partition)
    return offsets


def test_nothing_is_committable_before_a_record_was_read() -> None:
    assert owning(P0, P1).committable() == {}


def test_a_committed_offset_is_not_committed_again() -> None:
    offsets = owning(P0, P1)
    offsets.finished(P0, offsets.received(P0, 0), 0)
    offsets.committed(offsets.committable())
    assert offsets.committable() == {}
    offsets.finished(P1, offsets.received(P1, 3), 3)
    assert offsets.committable() == {P1: 4}


def test_work_of_a_lost_generation_changes_nothing() -> None:
    offsets = owning(P0)
    before = offsets.received(P0, 5)
    offsets.revoke(P0)
    assert not offsets.finished(P0, before, 5)
    offsets.assign(P0)
    again = offsets.received(P0, 5)
    assert again != before
    assert not offsets.finished(P0, before, 5)
    assert offsets.committable() == {P0: 5}


def test_a_commit_that_returns_after_the_partition_was_lost_is_ignored() -> None:
    offsets = owning(P0)
    offsets.revoke(P0)
    offsets.committed({P0: 9})
    assert offsets.partitions == frozenset()


def test_finishing_an_offset_twice_raises() -> None:
    offsets = owning(P0)
    generation = offsets.received(P0, 1)
    offsets.finished(P0, generation, 1)
    with pytest.raises(KeyError):
        offsets.finished(P0, generation, 1)


def test_reading_an_earlier_offset_without_a_new_generation_raises() -> None:
    offsets = owning(P0)
    offsets.received(P0, 10)
    with pytest.raises(ValueError, match="read offset 10 after 10"):
        offsets.received(P0, 10)


def test_reading_a_partition_that_is_not_owned_raises() -> None:
    with pytest.raises(KeyError):
        owning(P0).received(P1, 0)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_lowest_unfinished_offset_is_committable_in_any_order_of_completion(
    gaps: list[int], random: Random
) -> None:
    offsets = owning(P0)
    numbers = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    generation = [offsets.received(P0, number) for number in numbers][-1]
    unfinished = list(numbers)
    for number in random.sample(numbers, len(numbers)):
        offsets.finished(P0, generation, number)
        unfinished.remove(number)
        assert offsets.committable() == {P0: min(unfinished, default=numbers[-1] + 1)}
