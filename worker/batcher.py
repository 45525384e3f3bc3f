"""Which waiting reviews form the next batch, and why now. Pure: the time is an argument.

Padding costs as much as words, so a batch is made of reviews of like length: the oldest waiting review
always goes, and takes the ones nearest to it in length along. A review that has waited for `max_wait_s` yields
only to others that have, so being short or long never keeps one waiting for ever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
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


@dataclass(frozen=True, slots=True)
class Batch(Generic[W]):
    """Reviews to be scored together; the oldest comes first."""

    rows: tuple[W, ...]
    trigger: Trigger

    @property
    def tokens(self) -> int:
        """Words without padding."""
        return sum(row.tokens for row in self.rows)

    @property
    def padded_tokens(self) -> int:
        """What the engine computes over."""
        return len(self.rows) * max(row.tokens for row in self.rows)

    @property
    def padding_ratio(self) -> float | None:
        """The share of `padded_tokens` that is padding; None when there are none."""
        return 1 - self.tokens / padded if (padded := self.padded_tokens) else None


class Batcher(Generic[W]):
    """The reviews that wait, oldest first."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: list[W] = []
        self.tokens = 0  # of all that wait, without padding

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, row: W) -> None:
        """Let one more wait; rows are added in the order of `arrived_s`."""
        self._waiting.append(row)
        self.tokens += row.tokens

    def discard(self, unwanted: Callable[[W], bool]) -> list[W]:
        """Forget the rows for which `unwanted` says so, and return them."""
        discarded = [row for row in self._waiting if unwanted(row)]
        self._remove(discarded)
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
        rows, full = self._choose(now_s, max_tokens)
        trigger = full or self._why_now(now_s, engine_idle=engine_idle, draining=draining)
        if trigger is None:
            return None
        self._remove(rows)
        return Batch(rows, trigger)

    def _remove(self, rows: Sequence[W]) -> None:
        leaving = {id(row) for row in rows}
        self._waiting = [row for row in self._waiting if id(row) not in leaving]
        self.tokens -= sum(row.tokens for row in rows)

    def _why_now(self, now_s: float, *, engine_idle: bool, draining: bool) -> Trigger | None:
        if draining:
            return Trigger.DRAIN
        if not engine_idle or now_s < self._lingered_s:
            return None
        overdue = now_s - self._waiting[0].arrived_s >= self._limits.max_wait_s
        return Trigger.DEADLINE if overdue else Trigger.IDLE

    @property
    def _lingered_s(self) -> float:
        """When the oldest will have had its chance of company."""
        return self._waiting[0].arrived_s + self._limits.linger_s

    def _choose(self, now_s: float, max_tokens: int) -> tuple[tuple[W, ...], Trigger | None]:
        """Return the oldest row and its company, and what made the batch full, if it is."""
        limits, oldest = self._limits, self._waiting[0]

        def rank(row: W) -> tuple[bool, bool, int]:
            overdue = now_s - row.arrived_s >= limits.max_wait_s
            return row is not oldest, not overdue, abs(row.tokens - oldest.tokens)

        rows: list[W] = []
        longest = 0
        for row in nsmallest(limits.max_reviews, self._waiting, key=rank):
            longest = max(longest, row.tokens)
            # The oldest goes whatever it costs: a review longer than the budget must not block the queue.
            if rows and (len(rows) + 1) * longest > max_tokens:
                return tuple(rows), Trigger.TOKENS
            rows.append(row)
        return tuple(rows), Trigger.SIZE if len(rows) == limits.max_reviews else None
