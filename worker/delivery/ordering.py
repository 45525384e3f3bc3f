"""Results leave in the order in which their reviews were read, partition by partition. Pure.

Batches are formed by length, so results come back out of order; each waits here for the ones before it.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from worker.broker.contract import TopicPartition

R = TypeVar("R")


@dataclass(slots=True)
class _Line(Generic[R]):
    """Of one partition, the offsets expected and the results that came too early."""

    expected: deque[int] = field(default_factory=deque)
    early: dict[int, R] = field(default_factory=dict)


class Ordering(Generic[R]):
    """A line for each partition."""

    def __init__(self) -> None:
        self._lines: dict[TopicPartition, _Line[R]] = {}

    def expect(self, partition: TopicPartition, offset: int) -> None:
        """Note that a result for `offset` will come; calls give the order in which results leave."""
        line = self._lines.get(partition)
        if line is None:
            line = self._lines[partition] = _Line()
        line.expected.append(offset)

    def complete(self, partition: TopicPartition, offset: int, result: R) -> list[R]:
        """Take one result and return those that may leave now, in order: often none, sometimes many.

        Raises KeyError when the partition expects nothing: a bug.
        """
        line = self._lines[partition]
        expected, early = line.expected, line.early
        early[offset] = result
        leaving = []
        while expected and expected[0] in early:
            leaving.append(early.pop(expected.popleft()))
        return leaving

    def forget(self, partition: TopicPartition) -> list[R]:
        """Expect nothing more of a partition that was lost or is read again; return what came too early."""
        line = self._lines.pop(partition, None)
        return [] if line is None else list(line.early.values())
