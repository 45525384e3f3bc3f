"""The last 15 minutes in slots of 15 seconds: how much was stored, and how long it took. Pure; bounded.

Latencies are counted in buckets, the bound of each 2**(1/8) times the one before, so a quantile is within 10 % of the
true one, from a millisecond to 12 days.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

SLOT_S: Final = 15.0
SLOTS: Final = 60
LATENCY_BOUNDS: Final = tuple(0.001 * 2 ** (step / 8) for step in range(241))  # 1 ms to 12 days


@dataclass(slots=True)
class Span:
    """What was stored between two moments, monotonic seconds."""

    began_s: float
    ended_s: float
    scored: int = 0
    dead_letters: int = 0
    latencies: Counter[int] = field(default_factory=Counter)  # bucket to results in it

    @property
    def scored_per_s(self) -> float:
        """Results a second; 0 for a span without length."""
        duration_s = self.ended_s - self.began_s
        return self.scored / duration_s if duration_s > 0 else 0.0

    def quantile_s(self, below: float) -> float | None:
        """The latency that this share of the results is below; None when none was counted."""
        missing = below * self.latencies.total()
        for bucket, count in sorted(self.latencies.items()):
            if count >= missing:
                return _within_s(bucket, missing / count)
            missing -= count
        return None


class History:
    """A ring of slots; the one under way is the last. Times must not go back."""

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._ring: list[tuple[int, Span] | None] = [None] * (SLOTS + 1)

    def add(self, now_s: float, *, scored: int, dead_letters: int, latencies_s: Iterable[float]) -> None:
        """Count what was stored by now."""
        number = self._number(now_s)
        entry = self._ring[number % len(self._ring)]
        if entry is None or entry[0] != number:
            entry = self._ring[number % len(self._ring)] = (number, self._empty(number))
        span = entry[1]
        span.scored += scored
        span.dead_letters += dead_letters
        span.latencies.update(map(bisect_left, repeat(LATENCY_BOUNDS), latencies_s))

    def spans(self, now_s: float) -> list[Span]:
        """The slots of the last 15 minutes or since the beginning, oldest first; copies. The last ends now."""
        last = self._number(now_s)
        spans = [self._copy(number) for number in range(max(0, last - SLOTS), last + 1)]
        spans[-1].ended_s = now_s
        return spans

    def _copy(self, number: int) -> Span:
        entry = self._ring[number % len(self._ring)]
        copy = self._empty(number)
        return together([copy, entry[1]]) if entry is not None and entry[0] == number else copy

    def _empty(self, number: int) -> Span:
        began_s = self._began_s + number * SLOT_S
        return Span(began_s, began_s + SLOT_S)

    def _number(self, now_s: float) -> int:
        return int((now_s - self._began_s) // SLOT_S)


def together(spans: Sequence[Span]) -> Span:
    """All of `spans`, at least one, as one: from the beginning of the first to the end of the last."""
    latencies: Counter[int] = Counter()
    for span in spans:
        latencies.update(span.latencies)
    return Span(
        began_s=spans[0].began_s,
        ended_s=spans[-1].ended_s,
        scored=sum(span.scored for span in spans),
        dead_letters=sum(span.dead_letters for span in spans),
        latencies=latencies,
    )


def _within_s(bucket: int, share: float) -> float:
    """The latency that `share` of a bucket lies below; nothing is told apart below the first bound, beyond the last."""
    lower, upper = (LATENCY_BOUNDS[min(max(0, edge), len(LATENCY_BOUNDS) - 1)] for edge in (bucket - 1, bucket))
    return lower * float((upper / lower) ** share)
