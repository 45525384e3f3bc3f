"""Which waiting reviews form the next batch, and when it leaves. Pure: the time is an argument.

Padding costs as much as words, so a batch has reviews of similar length: the oldest waiting review, and those nearest
to it in length. Reviews that have waited for `max_wait_s` come before all others, whatever their length, so none waits
for ever.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import count
from math import inf

from worker.scoring.work import Work


class Trigger(StrEnum):
    """Why a batch left; a label of a metric."""

    SIZE = "size"  # as many reviews as allowed
    TOKENS = "tokens"  # one more would exceed the padded tokens
    DEADLINE = "deadline"  # the engine is idle and the oldest has waited for `max_wait_s`
    IDLE = "idle"  # the engine is idle and the oldest has waited for `linger_s`
    DRAIN = "drain"  # the worker is stopping


@dataclass(frozen=True)  # without slots, for cached_property
class Batch:
    """Reviews to score together. The oldest comes first."""

    rows: tuple[Work, ...]
    trigger: Trigger

    @cached_property
    def tokens(self) -> int:
        """Tokens without padding."""
        return sum([row.tokens for row in self.rows])

    @cached_property
    def padded_tokens(self) -> int:
        """Tokens that the engine computes, padding included."""
        return len(self.rows) * max([row.tokens for row in self.rows])

    @property
    def padding_ratio(self) -> float | None:
        """The share of `padded_tokens` that is padding, from 0 to 1; None if there are no tokens."""
        return 1 - self.tokens / padded if (padded := self.padded_tokens) else None


class Batcher:
    """The waiting reviews.

    They are kept in the order of arrival and, for each length, in that order too. So forming a batch looks only at the
    overdue reviews and at those that leave.
    """

    def __init__(self, *, max_reviews: int, linger_s: float, max_wait_s: float) -> None:
        """A batch has at most `max_reviews`. An idle engine waits for `linger_s` for reviews that join the oldest."""
        self._max_reviews = max_reviews
        self._linger_s = linger_s
        self._max_wait_s = max_wait_s
        self._numbers = count()
        self._waiting: dict[int, Work] = {}  # by number; oldest first
        self._by_length: dict[int, deque[int]] = {}
        self.tokens = 0  # of all waiting reviews, without padding

    def __len__(self) -> int:
        return len(self._waiting)

    def add_all(self, rows: Iterable[Work]) -> None:
        """Add waiting reviews, in the order of `arrived_s`."""
        for row in rows:
            number = next(self._numbers)
            self._waiting[number] = row
            length = row.tokens
            same_length = self._by_length.get(length)
            if same_length is None:
                self._by_length[length] = deque((number,))
            else:
                same_length.append(number)
            self.tokens += length

    def discard(self, unwanted: Callable[[Work], bool]) -> list[Work]:
        """Remove and return the rows for which `unwanted` returns True."""
        kept: list[Work] = []
        discarded: list[Work] = []
        for row in self._waiting.values():
            (discarded if unwanted(row) else kept).append(row)
        self._waiting, self._by_length, self.tokens = {}, {}, 0
        self.add_all(kept)
        return discarded

    def lingers_for(self, now_s: float) -> float | None:
        """Return the seconds until an idle engine gets a batch; None if nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, self._lingered_s - now_s)

    def take(self, now_s: float, *, max_tokens: int, engine_idle: bool, draining: bool = False) -> Batch | None:
        """Remove and return the next batch, or None if it is better to wait.

        A batch has at most `max_tokens` padded tokens (reviews x the longest of them), except for a single longer
        review. A busy engine gets only full batches, because smaller ones can still grow while it computes.
        """
        if not self._waiting:
            return None
        numbers, full = self._choose(now_s, max_tokens)
        trigger = full or self._trigger(now_s, engine_idle=engine_idle, draining=draining)
        if trigger is None:
            return None
        return Batch(tuple(map(self._remove, numbers)), trigger)

    def _remove(self, number: int) -> Work:
        """Remove and return a row, which is the first of its length."""
        row = self._waiting.pop(number)
        length = row.tokens
        same_length = self._by_length[length]
        same_length.popleft()
        if not same_length:
            del self._by_length[length]
        self.tokens -= length
        return row

    def _trigger(self, now_s: float, *, engine_idle: bool, draining: bool) -> Trigger | None:
        if draining:
            return Trigger.DRAIN
        if not engine_idle or now_s < self._lingered_s:
            return None
        return Trigger.DEADLINE if self._is_overdue(self._oldest, now_s) else Trigger.IDLE

    @property
    def _oldest(self) -> Work:
        return next(iter(self._waiting.values()))

    @property
    def _lingered_s(self) -> float:
        """When the oldest has waited for `linger_s`."""
        return self._oldest.arrived_s + self._linger_s

    def _is_overdue(self, row: Work, now_s: float) -> bool:
        return now_s - row.arrived_s >= self._max_wait_s

    def _choose(self, now_s: float, max_tokens: int) -> tuple[list[int], Trigger | None]:
        """Return the numbers of the rows to take, and what makes the batch full; None if it is not full."""
        numbers: list[int] = []
        longest = 0
        for number, length in self._nearest_first(now_s):
            longest = max(longest, length)
            # The oldest always goes: a review longer than the budget must not block the queue.
            if numbers and (len(numbers) + 1) * longest > max_tokens:
                return numbers, Trigger.TOKENS
            numbers.append(number)
            if len(numbers) == self._max_reviews:
                return numbers, Trigger.SIZE
        return numbers, None

    def _nearest_first(self, now_s: float) -> Iterator[tuple[int, int]]:
        """Yield numbers and lengths: the oldest, then other overdue rows, then the rest. Nearest in length comes first.

        The rows of one length come in the order of arrival, as `_remove` needs them.
        """
        wanted = self._oldest.tokens
        lengths = sorted(self._by_length, key=lambda length: abs(length - wanted))
        first_in_time = next((number for number, row in self._waiting.items() if not self._is_overdue(row, now_s)), inf)
        for length in lengths:
            for number in self._by_length[length]:
                if number >= first_in_time:
                    break
                yield number, length
        for length in lengths:
            for number in self._by_length[length]:
                if number >= first_in_time:
                    yield number, length
