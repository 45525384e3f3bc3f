"""Two models on the same reviews: how often and how far they differ, and whether one is better."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the P(positive) of two models differ; 0.5 counts as positive."""

    count: int
    mean_difference: float  # of the probabilities, absolute
    max_difference: float
    flips: NDArray[np.int64]  # numbers of the rows whose sentiment differs, the largest difference first

    @property
    def agreement(self) -> float:
        """The share of rows with the same sentiment; 1 if there is no row."""
        return 1.0 - len(self.flips) / self.count if self.count else 1.0


def compare(first: Floats, second: Floats) -> Comparison:
    """Compare two models' probabilities, both (B,)."""
    difference = np.abs(first - second)
    flips = np.flatnonzero((first >= 0.5) != (second >= 0.5))
    return Comparison(
        count=len(difference),
        mean_difference=float(difference.mean()) if len(difference) else 0.0,
        max_difference=float(difference.max(initial=0.0)),
        flips=flips[np.argsort(-difference[flips], kind="stable")],
    )


def only_one_right(first: Floats, second: Floats, labels: Floats) -> tuple[int, int]:
    """How many rows only the first model gets right, and how many only the second; labels are 0 or 1, all (B,)."""
    truth = labels == 1
    first_right, second_right = (first >= 0.5) == truth, (second >= 0.5) == truth
    return int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of such a difference, or a greater one, if neither model were better."""
    total, fewer = only_first + only_second, min(only_first, only_second)
    tail, term = 0, 1
    for k in range(fewer + 1):
        tail += term
        term = term * (total - k) // (k + 1)
    return min(1.0, 2 * tail / (1 << total))
