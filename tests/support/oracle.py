"""The verdict on a run, from what went in, what came out and what was committed: no knowledge of the worker. Pure.

Every input carries a number that no other has; every result repeats it and names the place where its input is stored.
Each fault is one sentence, so that `assert faults(...) == []` shows what went wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.support.kafka_io import Position

Offsets = Mapping[int, int]  # partition of the input topic: next offset


class Input(NamedTuple):
    """One record of the input topic."""

    place: Position
    number: int  # no other input has it
    key: bytes | None


class Result(NamedTuple):
    """One record of the output or the dead-letter topic."""

    topic: str
    place: Position
    source: Position  # where it says that its input is stored
    number: int  # of its input, as carried along
    key: bytes | None
    seen_s: float = 0.0  # when, on the clock of `Kill.at_s`


class Kill(NamedTuple):
    """A worker ended with work undone: what it had no time to commit may be repeated, and no more."""

    committed: Offsets
    results: int  # how many there were
    at_s: float
    uncommitted_s: float  # for so long, at most, had a result been there that is not committed


Beginning = (
    Offsets | Kill
)  # when work may have been begun again; with offsets alone, repeats may be as old as they like


class History(NamedTuple):
    """All that can be seen of a run from outside."""

    sent: Sequence[Input]  # of one partition in the order sent
    results: Sequence[Result]  # in the order seen, of one partition in the order stored
    committed: Offsets  # read before `results`: later ones could only excuse a commit that came too early


def faults(history: History, *, begun_again: Iterable[Beginning] = (), keeps_partition: bool = True) -> list[str]:
    """What is wrong with a run that is over; nothing, if it kept every promise.

    `begun_again` has the committed offsets of each moment when work may have been begun again (a crash, a
    rebalance): an input may be repeated once for each that had not passed it. None: no repeats at all. With nothing but
    kills, what is repeated must have been new when a worker was killed.
    """
    return [*faults_so_far(history, begun_again=begun_again, keeps_partition=keeps_partition), *_unfinished(history)]


def faults_so_far(
    history: History, *, begun_again: Iterable[Beginning] = (), keeps_partition: bool = True
) -> Iterator[str]:
    """What is wrong already with a run that goes on: all but what may still come."""
    yield from _invented(history)
    yield from _misplaced(history, keeps_partition=keeps_partition)
    yield from _disordered(history.results)
    beginnings = list(begun_again)
    yield from _repeated(history, beginnings)
    kills = [one for one in beginnings if isinstance(one, Kill)]
    if len(kills) == len(beginnings):
        yield from _repeated_late(history, kills)
    yield from _committed_early(history)


def first_unanswered(history: History) -> dict[int, int]:
    """Per partition the offset of the first input without a result, or the end: no commit may be above it."""
    answered = {result.source for result in history.results}
    floor: dict[int, int] = {}
    done: dict[int, bool] = defaultdict(lambda: True)
    for place, _, _ in history.sent:
        floor.setdefault(place.partition, place.offset)
        done[place.partition] &= place in answered
        if done[place.partition]:
            floor[place.partition] = place.offset + 1
    return floor


def ends_of(sent: Sequence[Input]) -> Offsets:
    """Where each partition ends: what is committed once all is done."""
    return {place.partition: place.offset + 1 for place, _, _ in sent}


def _invented(history: History) -> Iterator[str]:
    """A result must be of an input that was sent, and know which."""
    numbers = {place: number for place, number, _ in history.sent}
    for result in history.results:
        if result.source not in numbers:
            yield f"invented: {_name(result)} comes from {result.source}, where nothing was sent"
        elif result.number != numbers[result.source]:
            yield f"confused: {_name(result)} carries number {result.number}, its source {numbers[result.source]}"


def _misplaced(history: History, *, keeps_partition: bool) -> Iterator[str]:
    """The key is kept; the partition too, or else all results of a key are in one."""
    keys = {place: key for place, _, key in history.sent}
    homes: dict[tuple[str, bytes], int] = {}
    for result in history.results:
        if result.key != keys.get(result.source, result.key):
            yield f"key changed: {_name(result)} of {result.source}"
        if keeps_partition:
            if result.place.partition != result.source.partition:
                yield f"partition changed: {_name(result)} of {result.source}"
        elif result.key is not None:
            home = homes.setdefault((result.topic, result.key), result.place.partition)
            if home != result.place.partition:
                yield f"key scattered: {_name(result)}, others of its key in partition {home}"


def _disordered(results: Iterable[Result]) -> Iterator[str]:
    """Wherever results are stored, those of one input partition first appear in the order of their inputs."""
    furthest: dict[tuple[str, int, int], int] = {}
    seen: set[Position] = set()
    for result in results:
        if result.source in seen:
            continue
        seen.add(result.source)
        lane = (result.topic, result.place.partition, result.source.partition)
        if result.source.offset < furthest.get(lane, -1):
            yield f"out of order: {_name(result)} of {result.source} comes after that of offset {furthest[lane]}"
        furthest[lane] = max(furthest.get(lane, -1), result.source.offset)


def _repeated(history: History, begun_again: Sequence[Beginning]) -> Iterator[str]:
    """Beginning again at the committed offsets explains repeats above them, and no others."""
    offsets = [one.committed if isinstance(one, Kill) else one for one in begun_again]
    for (partition, offset), times in Counter(result.source for result in history.results).items():
        explained = sum(offset >= committed.get(partition, 0) for committed in offsets)
        if times > 1 + explained:
            yield f"repeated: {times} results of {partition}-{offset}, {explained} repeats are explained"


def _repeated_late(history: History, kills: Sequence[Kill]) -> Iterator[str]:
    """Of a result that is repeated, a kill came between the two, and the first was new then."""
    for first, kill in last_before_repeats(history, kills):
        age_s = kill.at_s - first.seen_s
        if age_s > kill.uncommitted_s:
            yield f"repeated late: {_name(first)} of {first.source} was {age_s:.1f} s old when a worker was killed"


def last_before_repeats(history: History, kills: Sequence[Kill]) -> Iterator[tuple[Result, Kill]]:
    """Yield each result that is repeated, and the first kill after it: the one that repeats it, or came before that."""
    before: dict[Position, tuple[int, Result]] = {}
    for number, result in enumerate(history.results):
        if result.source in before:
            at, first = before[result.source]
            kill = next((one for one in kills if at < one.results), None)
            if kill is not None:
                yield first, kill
        before[result.source] = number, result


def _committed_early(history: History) -> Iterator[str]:
    floor = first_unanswered(history)
    for partition, next_offset in history.committed.items():
        if next_offset > floor.get(partition, 0):
            yield f"committed early: {partition} at {next_offset}, first without a result is {floor.get(partition, 0)}"


def _unfinished(history: History) -> Iterator[str]:
    answered = {result.source for result in history.results}
    for place, number, _ in history.sent:
        if place not in answered:
            yield f"lost: number {number} at {place.partition}-{place.offset}"
    for partition, end in ends_of(history.sent).items():
        if history.committed.get(partition) != end:
            yield f"not committed: {partition} is at {history.committed.get(partition)}, its end is {end}"


def _name(result: Result) -> str:
    return f"{result.topic}-{result.place.partition}-{result.place.offset}"
