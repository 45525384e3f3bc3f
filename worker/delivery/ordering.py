"""Results leave in the order of their offsets in each partition. Pure.

Batches are formed by length, so results come back out of order. Each waits here for the results before it.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from worker.broker.contract import TopicPartition

R = TypeVar("R")


@dataclass(slots=True)
class _Line(Generic[R]):
    """The expected offsets of one partition, and the results that came too early."""

    expected: deque[int] = field(default_factory=deque)
    early: dict[int, R] = field(default_factory=dict)


class Ordering(Generic[R]):
    """Puts the results of each partition in order."""

    def __init__(self) -> None:
        self._lines: dict[TopicPartition, _Line[R]] = {}

    def expect(self, partition: TopicPartition, offset: int) -> None:
        """Expect a result for `offset`. Results leave in the order of these calls."""
        line = self._lines.get(partition)
        if line is None:
            line = self._lines[partition] = _Line()
        line.expected.append(offset)

    def complete(self, partition: TopicPartition, offset: int, result: R) -> list[R]:
        """Take one result, and return the results that may leave now, in order.

        Raises KeyError if the partition expects no result: a bug.
        """
        line = self._lines[partition]
        expected, early = line.expected, line.early
        early[offset] = result
        leaving = []
        while expected and expected[0] in early:
            leaving.append(early.pop(expected.popleft()))
        return leaving

    def forget(self, partition: TopicPartition) -> list[R]:
        """Forget a partition that was lost or is read again. Return its results that came too early."""
        line = self._lines.pop(partition, None)
        return [] if line is None else list(line.early.values())
