"""Which waiting reviews form the next batch, and why now. Pure: the time is an argument.

Padding costs as much as words, so a batch is made of reviews of like length: the oldest waiting review
always goes, and takes the ones nearest to it in length along. A review that has waited for `max_wait_s` yields
only to others that have, so being short or long never keeps one waiting for ever.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import count
from math import inf
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What the batcher has to know of a review."""

    @property
    def tokens(self) -> int:
        """Length as the network reads it."""
        ...

    @property
    def arrived_s(self) -> float:
        """When it was read, on the clock of `take`."""
        ...


W = TypeVar("W", bound=Waiting)


class Trigger(StrEnum):
    """Why a batch left now; a metric label."""

    SIZE = "size"  # as many reviews as allowed
    TOKENS = "tokens"  # one more would exceed the padded tokens
    DEADLINE = "deadline"  # the engine is idle and the oldest had been passed over for too long
    IDLE = "idle"  # the engine is idle and the oldest has lingered
    DRAIN = "drain"  # the worker is stopping


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is full and how long a review may wait."""

    max_reviews: int
    linger_s: float  # an idle engine waits this long for company of the oldest review
    max_wait_s: float  # after this a review yields only to others that waited as long


@dataclass(frozen=True)  # without slots: what is asked for again is kept
class Batch(Generic[W]):
    """Reviews to be scored together; the oldest comes first."""

    rows: tuple[W, ...]
    trigger: Trigger

    @cached_property
    def tokens(self) -> int:
        """Words without padding."""
        return sum([row.tokens for row in self.rows])

    @cached_property
    def padded_tokens(self) -> int:
        """What the engine computes over."""
        return len(self.rows) * max([row.tokens for row in self.rows])

    @property
    def padding_ratio(self) -> float | None:
        """The share of `padded_tokens` that is padding; None when there are none."""
        return 1 - self.tokens / padded if (padded := self.padded_tokens) else None


class Batcher(Generic[W]):
    """The reviews that wait.

    They stand by length as well, those of one length in the order in which they came: to form a batch, all that are
    overdue are looked at, and of the others those that go.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._numbers = count()
        self._waiting: dict[int, W] = {}  # by number; oldest first
        self._by_length: dict[int, deque[int]] = {}
        self.tokens = 0  # of all that wait, without padding

    def __len__(self) -> int:
        return len(self._waiting)

    def add_all(self, rows: Iterable[W]) -> None:
        """Let more wait; rows are added in the order of `arrived_s`."""
        for row in rows:
            number = next(self._numbers)
            self._waiting[number] = row
            length = row.tokens
            alike = self._by_length.get(length)
            if alike is None:
                self._by_length[length] = deque((number,))
            else:
                alike.append(number)
            self.tokens += length

    def discard(self, unwanted: Callable[[W], bool]) -> list[W]:
        """Forget the rows for which `unwanted` says so, and return them."""
        kept: list[W] = []
        discarded: list[W] = []
        for row in self._waiting.values():
            (discarded if unwanted(row) else kept).append(row)
        self._waiting, self._by_length, self.tokens = {}, {}, 0
        self.add_all(kept)
        return discarded

    def lingers_for(self, now_s: float) -> float | None:
        """Seconds until an idle engine would get a batch; None when nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, self._lingered_s - now_s)

    def take(self, now_s: float, *, max_tokens: int, engine_idle: bool, draining: bool = False) -> Batch[W] | None:
        """Remove and return the next batch, or None while it pays to wait.

        It has at most `max_tokens`, padded (reviews x the longest of them), but for a single review that is longer.
        A busy engine is given full batches only: what waits meanwhile will be its next one.
        """
        if not self._waiting:
            return None
        numbers, full = self._choose(now_s, max_tokens)
        trigger = full or self._why_now(now_s, engine_idle=engine_idle, draining=draining)
        if trigger is None:
            return None
        return Batch(tuple(map(self._remove, numbers)), trigger)

    def _remove(self, number: int) -> W:
        """Let the first of its length go."""
        row = self._waiting.pop(number)
        length = row.tokens
        alike = self._by_length[length]
        alike.popleft()
        if not alike:
            del self._by_length[length]
        self.tokens -= length
        return row

    def _why_now(self, now_s: float, *, engine_idle: bool, draining: bool) -> Trigger | None:
        if draining:
            return Trigger.DRAIN
        if not engine_idle or now_s < self._lingered_s:
            return None
        return Trigger.DEADLINE if self._is_overdue(self._oldest, now_s) else Trigger.IDLE

    @property
    def _oldest(self) -> W:
        return next(iter(self._waiting.values()))

    @property
    def _lingered_s(self) -> float:
        """When the oldest will have had its chance of company."""
        return self._oldest.arrived_s + self._limits.linger_s

    def _is_overdue(self, row: W, now_s: float) -> bool:
        return now_s - row.arrived_s >= self._limits.max_wait_s

    def _choose(self, now_s: float, max_tokens: int) -> tuple[list[int], Trigger | None]:
        """Return the numbers of the oldest and its company, and what made the batch full, if it is."""
        numbers: list[int] = []
        longest = 0
        for number, length in self._nearest_first(now_s):
            longest = max(longest, length)
            # The oldest goes whatever it costs: a review longer than the budget must not block the queue.
            if numbers and (len(numbers) + 1) * longest > max_tokens:
                return numbers, Trigger.TOKENS
            numbers.append(number)
            if len(numbers) == self._limits.max_reviews:
                return numbers, Trigger.SIZE
        return numbers, None

    def _nearest_first(self, now_s: float) -> Iterator[tuple[int, int]]:
        """Numbers and lengths: the oldest, what else is overdue, the rest; of these, the nearest in length first.

        Of each length so many from its front: whoever stops anywhere has what `_remove` takes.
        """
        wanted = self._oldest.tokens
        lengths = sorted(self._by_length, key=lambda length: abs(length - wanted))
        in_time = next((number for number, row in self._waiting.items() if not self._is_overdue(row, now_s)), inf)
        for length in lengths:
            for number in self._by_length[length]:
                if number >= in_time:
                    break
                yield number, length
        for length in lengths:
            for number in self._by_length[length]:
                if number >= in_time:
                    yield number, length
