"""What is measured, and the arithmetic that makes figures of it. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

Figures = Mapping[str, float]  # by name, see FIGURES

FIGURES: Final = {
    "engine_tokenized_reviews_per_s": "engine on word ids, reviews/s",
    "engine_text_reviews_per_s": "engine on text, reviews/s",
    "end_to_end_reviews_per_s": "end to end, reviews/s",
    "exactly_once_reviews_per_s": "end to end exactly once, reviews/s",
    "naive_reviews_per_s": "naive consumer, reviews/s",
    "end_to_end_of_engine": "end to end / engine on text",
    "end_to_end_of_naive": "end to end / naive consumer",
    "exactly_once_of_end_to_end": "exactly once / at least once",
    "half_load_reviews_per_s": "half load, reviews/s",
    "latency_p50_ms": "latency p50, ms",
    "latency_p99_ms": "latency p99, ms",
    "send_lateness_p99_ms": "lateness of sending p99, ms",
}


class NotMeasurable(Exception):
    """The numbers do not allow the figure; the message says why."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the rounds."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises ValueError where there are none."""
        return cls(min(values), statistics.median(values), max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` % of them do not exceed (nearest rank), 0 < percent <= 100."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def rate_per_s(stamps_ms: Sequence[int]) -> float:
    """Results per second from the first time stamp to the last.

    Results of the first stamp are not counted: their work was done before it.
    Raises NotMeasurable where all came at once.
    """
    first_ms, last_ms = min(stamps_ms, default=0), max(stamps_ms, default=0)
    if last_ms == first_ms:
        raise NotMeasurable(f"{len(stamps_ms)} results within one millisecond have no rate: measure more reviews")
    return sum(stamp_ms > first_ms for stamp_ms in stamps_ms) / ((last_ms - first_ms) / 1000)


def with_ratios(figures: Figures) -> dict[str, float]:
    """The figures of one round and the ratios between them, where both sides were measured."""
    ratios = {
        "end_to_end_of_engine": ("end_to_end_reviews_per_s", "engine_text_reviews_per_s"),
        "end_to_end_of_naive": ("end_to_end_reviews_per_s", "naive_reviews_per_s"),
        "exactly_once_of_end_to_end": ("exactly_once_reviews_per_s", "end_to_end_reviews_per_s"),
    }
    derived = {
        ratio: figures[over] / figures[under]
        for ratio, (over, under) in ratios.items()
        if over in figures and under in figures
    }
    return {**figures, **derived}


def spreads(rounds: Sequence[Figures]) -> dict[str, Spread]:
    """Each figure over the rounds that have it, in the order of FIGURES."""
    taken = {name: [figures[name] for figures in rounds if name in figures] for name in FIGURES}
    return {name: Spread.of(values) for name, values in taken.items() if values}


class Resident(NamedTuple):
    """One look at a process."""

    results: int  # stored since the start
    mib: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory over a long run, its warm-up left out."""

    warm_up_results: int
    first_quarter_mib: float
    last_quarter_mib: float
    slope_kib_per_1000_reviews: float

    @property
    def ratio(self) -> float:
        """By what part the last quarter is above the first; negative where memory shrank."""
        return self.last_quarter_mib / self.first_quarter_mib - 1


def growth(samples: Sequence[Resident], *, warm_up_part: float) -> Growth:
    """Compare the mean of the first quarter after the warm-up with that of the last, and fit a line (least squares).

    `warm_up_part` of the samples are left out at the start. Raises NotMeasurable where fewer than 8 are left.
    """
    skipped = round(len(samples) * warm_up_part)
    kept = samples[skipped:]
    if len(kept) < 8:
        raise NotMeasurable(f"{len(kept)} samples of memory after the warm-up are too few: measure more reviews")
    quarter = len(kept) // 4
    line = statistics.linear_regression([sample.results for sample in kept], [sample.mib for sample in kept])
    return Growth(
        warm_up_results=samples[skipped - 1].results if skipped else 0,
        first_quarter_mib=statistics.fmean(sample.mib for sample in kept[:quarter]),
        last_quarter_mib=statistics.fmean(sample.mib for sample in kept[-quarter:]),
        slope_kib_per_1000_reviews=line.slope * 1000 * 1024,
    )
