"""How far a group is behind, and when it will have caught up. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from worker.broker.cluster.survey import Group, Member
from worker.broker.contract import TopicPartition
from worker.commands.terminal import printable


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of the input topic, for one group."""

    partition: int
    committed: int | None  # None: nothing yet, so that it begins with the oldest record
    end: int
    lag: int
    member: str | None  # who has it now


@dataclass(frozen=True, slots=True)
class Lag:
    """All partitions, at one time."""

    at_s: float  # of a clock that only goes forward
    members: int  # of the group
    partitions: tuple[PartitionLag, ...]

    @property
    def total(self) -> int:
        """How many records are read by nobody yet, or read and not committed."""
        return sum(partition.lag for partition in self.partitions)


def lag_of(
    topic: str, group: Group, committed: Mapping[int, int], bounds: Mapping[int, tuple[int, int]], at_s: float
) -> Lag:
    """Join what was asked; `bounds` are each partition's oldest offset and its end."""
    owners = {place: _name(member) for member in group.members for place in member.partitions}
    return Lag(
        at_s,
        len(group.members),
        tuple(
            PartitionLag(
                partition,
                committed.get(partition),
                end,
                max(0, end - max(first, committed.get(partition, first))),  # what retention took is not waited for
                owners.get(TopicPartition(topic, partition)),
            )
            for partition, (first, end) in sorted(bounds.items())
        ),
    )


def _name(member: Member) -> str:
    return f"{member.instance_id or member.client_id}@{member.host}"


def seconds_left(before: Lag, now: Lag) -> float | None:
    """Return when it will have caught up if all goes on as between two looks; None where it does not get less."""
    if now.total == 0:
        return 0.0
    gained = before.total - now.total
    return now.total * (now.at_s - before.at_s) / gained if gained > 0 else None


def table(partitions: Iterable[PartitionLag]) -> str:
    """Return one aligned line for each partition."""
    rows = [("partition", "committed", "end", "lag", "member")]
    for each in partitions:
        committed = "-" if each.committed is None else str(each.committed)
        rows.append((str(each.partition), committed, str(each.end), str(each.lag), printable(each.member or "-")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    *numbers, member = row
    return "  ".join([*(f"{cell:>{width}}" for cell, width in zip(numbers, widths, strict=False)), member])
