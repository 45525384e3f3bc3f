"""Which offsets may be committed: in each partition, the lowest unfinished one. Pure.

Only received offsets are tracked, because Kafka's log has gaps (compaction, transaction markers). Everything below the
lowest unfinished offset is finished. No other file adds one to an offset.

Each assignment of a partition is a new generation. Work carries the generation that read it. So a result that comes
after the partition was lost, or after a replay began, is recognized and dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from worker.broker.contract import TopicPartition


@dataclass(slots=True)
class _Progress:
    """One partition during one generation."""

    generation: int
    unfinished: dict[int, None] = field(default_factory=dict)  # ascending
    next_unread: int | None = None
    committed: int | None = None

    @property
    def next_offset(self) -> int | None:
        return next(iter(self.unfinished), self.next_unread)


class Offsets:
    """The owned partitions and how far each is finished."""

    def __init__(self) -> None:
        self._generations = count(1)
        self._partitions: dict[TopicPartition, _Progress] = {}

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions owned now."""
        return frozenset(self._partitions)

    def assign(self, partition: TopicPartition) -> None:
        """Begin a new generation of a partition that was assigned or is read again."""
        self._partitions[partition] = _Progress(next(self._generations))

    def revoke(self, partition: TopicPartition) -> None:
        """Forget the partition, so that nothing of it is committed. Unknown partitions are ignored."""
        self._partitions.pop(partition, None)

    def is_current(self, partition: TopicPartition, generation: int) -> bool:
        """Whether work of `generation` may still be published and committed."""
        progress = self._partitions.get(partition)
        return progress is not None and progress.generation == generation

    def received(self, partition: TopicPartition, offset: int) -> int:
        """Record that `offset` was read, and return the current generation.

        Raises KeyError if the partition is not owned, ValueError if offsets go back: both are bugs.
        """
        progress = self._partitions[partition]
        if progress.next_unread is not None and offset < progress.next_unread:
            raise ValueError(f"{partition}: read offset {offset} after {progress.next_unread - 1}; this is a bug")
        progress.unfinished[offset] = None
        progress.next_unread = offset + 1
        return progress.generation

    def finished(self, partition: TopicPartition, generation: int, offset: int) -> bool:
        """Record that the result of `offset` is stored. Return False, and do nothing, if its generation is over.

        Raises KeyError if the offset was already finished, or never received: a bug.
        """
        progress = self._partitions.get(partition)
        if progress is None or progress.generation != generation:
            return False
        del progress.unfinished[offset]
        return True

    def committable(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that has one other than the committed one."""
        return {
            partition: next_offset
            for partition, progress in self._partitions.items()
            if (next_offset := progress.next_offset) is not None and next_offset != progress.committed
        }

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Record that the broker has stored these. Partitions that were lost meanwhile are ignored."""
        for partition, next_offset in next_offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = next_offset
