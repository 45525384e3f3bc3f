"""Results leave in the order in which their reviews were read, partition by partition. Pure.

Batches are formed by length, so results come back out of order; each waits here for the ones before it.
"""

from collections import deque
from typing import Generic, TypeVar

from worker.broker import TopicPartition

R = TypeVar("R")


class Ordering(Generic[R]):
    """Per partition, the offsets expected and the results that came too early."""

    def __init__(self) -> None:
        self._expected: dict[TopicPartition, deque[int]] = {}
        self._early: dict[TopicPartition, dict[int, R]] = {}

    def expect(self, partition: TopicPartition, offset: int) -> None:
        """Note that a result for `offset` will come; calls give the order in which results leave."""
        self._expected.setdefault(partition, deque()).append(offset)

    def complete(self, partition: TopicPartition, offset: int, result: R) -> list[R]:
        """Take one result and return those that may leave now, in order: often none, sometimes many.

        Raises KeyError when the partition expects nothing: a bug.
        """
        expected = self._expected[partition]
        early = self._early.setdefault(partition, {})
        early[offset] = result
        leaving = []
        while expected and expected[0] in early:
            leaving.append(early.pop(expected.popleft()))
        return leaving

    def forget(self, partition: TopicPartition) -> list[R]:
        """Expect nothing more of a partition that was lost or is read again; return what came too early."""
        self._expected.pop(partition, None)
        return list(self._early.pop(partition, {}).values())
