"""Percentiles and spreads of measured values. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the rounds."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarize values. Raises ValueError if there are none."""
        return cls(min(values), statistics.median(values), max(values))

    def __str__(self) -> str:
        decimals = 0 if self.median >= 100 else 2
        return f"{self.median:,.{decimals}f} ({self.min:,.{decimals}f} to {self.max:,.{decimals}f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of `values` that at least `percent` % do not exceed (nearest rank), 0 < percent <= 100."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def spreads(rounds: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return each figure over the rounds that have it."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: Spread.of([figures[name] for figures in rounds if name in figures]) for name in names}
