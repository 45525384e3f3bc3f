"""What may be committed: per partition, the floor of what is finished. Pure.

Kafka's log has gaps (compaction, transaction markers), so only offsets that were received are tracked, and
everything below the lowest unfinished one is done. This is the one place that adds one to an offset.

Every assignment of a partition gets a generation of its own. Work carries the generation that read it, so
what comes back after the partition was lost, or read again from the start, is told apart and dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from worker.broker.contract import TopicPartition


@dataclass(slots=True)
class _Progress:
    """One partition during one generation."""

    generation: int
    unfinished: dict[int, None] = field(default_factory=dict)  # in the order received: ascending
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
        """Begin a new generation, whether the partition is new to us or read again."""
        self._partitions[partition] = _Progress(next(self._generations))

    def revoke(self, partition: TopicPartition) -> None:
        """Forget the partition; nothing of it will be committed any more. Unknown ones are ignored."""
        self._partitions.pop(partition, None)

    def generation(self, partition: TopicPartition) -> int | None:
        """Return the current generation, None when the partition is not owned."""
        progress = self._partitions.get(partition)
        return None if progress is None else progress.generation

    def is_current(self, partition: TopicPartition, generation: int) -> bool:
        """Whether work of `generation` may still be published and committed."""
        progress = self._partitions.get(partition)
        return progress is not None and progress.generation == generation

    def received(self, partition: TopicPartition, offset: int) -> int:
        """Note that `offset` was read and return the generation its work has to carry.

        Raises KeyError for a partition that is not owned and ValueError when offsets go back: both are bugs.
        """
        progress = self._partitions[partition]
        if progress.next_unread is not None and offset < progress.next_unread:
            raise ValueError(f"{partition}: read offset {offset} after {progress.next_unread - 1}; this is a bug")
        progress.unfinished[offset] = None
        progress.next_unread = offset + 1
        return progress.generation

    def finished(self, partition: TopicPartition, generation: int, offset: int) -> bool:
        """Note that the result of `offset` is stored; False when its generation is over and nothing changed.

        Raises KeyError when it was finished before or never received: a bug.
        """
        progress = self._partitions.get(partition)
        if progress is None or progress.generation != generation:
            return False
        del progress.unfinished[offset]
        return True

    def committable(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that has moved since it was last committed."""
        return {
            partition: next_offset
            for partition, progress in self._partitions.items()
            if (next_offset := progress.next_offset) is not None and next_offset != progress.committed
        }

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Note that the broker has these; partitions lost meanwhile are ignored."""
        for partition, next_offset in next_offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = next_offset
