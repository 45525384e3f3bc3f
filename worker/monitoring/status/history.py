"""Counts and latencies of the last 15 minutes, in slots of 15 seconds. Pure; bounded.

Latencies are counted in buckets. The bound of each bucket is 2**(1/8) times the one before, so a quantile between 1 ms
and 12 days is within 10 % of the exact one.
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
class Period:
    """What was stored between two moments, monotonic seconds."""

    began_s: float
    ended_s: float
    scored: int = 0
    dead_letters: int = 0
    latencies: Counter[int] = field(default_factory=Counter)  # results in each bucket

    @property
    def scored_per_s(self) -> float:
        """Results a second; 0 for a period of no length."""
        duration_s = self.ended_s - self.began_s
        return self.scored / duration_s if duration_s > 0 else 0.0

    def quantile_s(self, below: float) -> float | None:
        """The latency below which this share of the results lies; None without results."""
        missing = below * self.latencies.total()
        for bucket, count in sorted(self.latencies.items()):
            if count >= missing:
                return _within_s(bucket, missing / count)
            missing -= count
        return None


class History:
    """A ring of slots; the last one is still being filled. Times must not go back."""

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._ring: list[tuple[int, Period] | None] = [None] * (SLOTS + 1)

    def add(self, now_s: float, *, scored: int, dead_letters: int, latencies_s: Iterable[float]) -> None:
        """Count what was stored since the last call."""
        number = self._number(now_s)
        entry = self._ring[number % len(self._ring)]
        if entry is None or entry[0] != number:
            entry = self._ring[number % len(self._ring)] = (number, self._empty(number))
        period = entry[1]
        period.scored += scored
        period.dead_letters += dead_letters
        period.latencies.update(map(bisect_left, repeat(LATENCY_BOUNDS), latencies_s))

    def periods(self, now_s: float) -> list[Period]:
        """Copies of the slots of the last 15 minutes, or since the start; oldest first. The last one ends now."""
        last = self._number(now_s)
        periods = [self._copy(number) for number in range(max(0, last - SLOTS), last + 1)]
        periods[-1].ended_s = now_s
        return periods

    def _copy(self, number: int) -> Period:
        entry = self._ring[number % len(self._ring)]
        copy = self._empty(number)
        return merged([copy, entry[1]]) if entry is not None and entry[0] == number else copy

    def _empty(self, number: int) -> Period:
        began_s = self._began_s + number * SLOT_S
        return Period(began_s, began_s + SLOT_S)

    def _number(self, now_s: float) -> int:
        return int((now_s - self._began_s) // SLOT_S)


def merged(periods: Sequence[Period]) -> Period:
    """One period for all of `periods`, at least one: from the beginning of the first to the end of the last."""
    latencies: Counter[int] = Counter()
    for period in periods:
        latencies.update(period.latencies)
    return Period(
        began_s=periods[0].began_s,
        ended_s=periods[-1].ended_s,
        scored=sum(period.scored for period in periods),
        dead_letters=sum(period.dead_letters for period in periods),
        latencies=latencies,
    )


def _within_s(bucket: int, share: float) -> float:
    """The latency below which `share` of a bucket lies. Below the first bound or above the last, it is that bound."""
    lower, upper = (LATENCY_BOUNDS[min(max(0, edge), len(LATENCY_BOUNDS) - 1)] for edge in (bucket - 1, bucket))
    return lower * float((upper / lower) ** share)
