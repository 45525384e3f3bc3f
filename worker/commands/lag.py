"""How far a group is behind, and when it will have caught up: the `lag` command."""

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields

import click

from worker.broker.cluster.admin import require_topics
from worker.broker.cluster.survey import Group, open_survey
from worker.broker.contract import TopicPartition
from worker.commands.terminal import echo_json, printable
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of the input topic, for one group."""

    partition: int
    committed: int | None  # None: nothing yet, so the group starts with the oldest record
    end: int
    lag: int
    member: str | None  # its present owner


@dataclass(frozen=True, slots=True)
class Lag:
    """All partitions, at one time."""

    at_s: float  # monotonic clock
    members: int  # of the group
    partitions: tuple[PartitionLag, ...]

    @property
    def total(self) -> int:
        """How many records are not read yet, or read and not committed."""
        return sum(partition.lag for partition in self.partitions)


def print_lag(settings: Settings, *, every_s: float | None, as_json: bool) -> None:
    """Print the group's lag once, or every `every_s` seconds until Ctrl-C.

    Raises BrokerUnreachable, TopicMissing, AccessDenied, BrokerRefused, SettingsRejected.
    """
    connection = connect_with(settings)
    topic, group = settings.input_topic, settings.group_id
    partitions = require_topics(connection, [topic])[topic]
    show = _print_json if as_json else _print_table
    with suppress(KeyboardInterrupt), open_survey(connection) as survey:
        before: Lag | None = None
        while True:
            committed, bounds = survey.committed(group, topic), survey.bounds(topic, partitions)
            now = lag_of(topic, survey.group(group), committed, bounds, time.monotonic())
            show(settings, before, now)
            if every_s is None:
                return
            before = now
            time.sleep(every_s)


def lag_of(
    topic: str, group: Group, committed: Mapping[int, int], bounds: Mapping[int, tuple[int, int]], at_s: float
) -> Lag:
    """Compute the lag. `bounds` has each partition's oldest offset and the offset of its next record."""
    owners = {
        place: f"{member.instance_id or member.client_id}@{member.host}"
        for member in group.members
        for place in member.partitions
    }
    partitions = []
    for number, (first, end) in sorted(bounds.items()):
        start = max(first, committed.get(number, first))  # retention may have deleted what comes next
        owner = owners.get(TopicPartition(topic, number))
        partitions.append(PartitionLag(number, committed.get(number), end, max(0, end - start), owner))
    return Lag(at_s, len(group.members), tuple(partitions))


def seconds_left(before: Lag | None, now: Lag) -> float | None:
    """Return when the lag will be 0 at the pace since `before`. None if it does not shrink, or there is no `before`."""
    if before is None:
        return None
    if now.total == 0:
        return 0.0
    gained = before.total - now.total
    return now.total * (now.at_s - before.at_s) / gained if gained > 0 else None


def _print_json(settings: Settings, before: Lag | None, now: Lag) -> None:
    shown = {"group": settings.group_id, "topic": settings.input_topic, "members": now.members, "lag": now.total}
    partitions = [asdict(each) for each in now.partitions]
    echo_json(shown | {"seconds_left": seconds_left(before, now), "partitions": partitions})


def _print_table(settings: Settings, before: Lag | None, now: Lag) -> None:
    click.echo(table(now.partitions))
    when = "" if before is None else f", {_when(seconds_left(before, now))}"
    click.echo(f"group {settings.group_id}: {now.total} behind on {settings.input_topic}, {now.members} members{when}")


def _when(left_s: float | None) -> str:
    if left_s is None:
        return "not catching up"
    return "caught up" if left_s == 0 else f"caught up in about {left_s:.0f} s"


def table(partitions: Collection[PartitionLag]) -> str:
    """Return one aligned line for each partition, below the names of the fields."""
    rows = [[field.name for field in fields(PartitionLag)]]
    rows += [["-" if cell is None else printable(str(cell)) for cell in astuple(each)] for each in partitions]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join([*map(str.rjust, row[:-1], widths), row[-1]]) for row in rows)
