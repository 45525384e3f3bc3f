"""Metrics of probabilities against labels, in plain numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ECE_BINS = 15
_SMALLEST_PROBABILITY = 1e-7  # keeps the logarithm of a certain and wrong answer finite

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metrics:
    """How well one model did on one labelled set. The threshold is 0.5; exactly 0.5 counts as positive."""

    count: int
    accuracy: float
    auc: float  # area under the ROC curve; 0.5 where a class is missing
    log_loss: float  # mean natural logarithm
    ece: float  # see `expected_calibration_error`
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int


def measure(probabilities: ArrayLike, labels: ArrayLike) -> Metrics:
    """Score P(positive), shape (B,), against labels 0 or 1, shape (B,). Raises ValueError on other input."""
    p, y = _checked(probabilities, labels)
    positive, predicted = y == 1, p >= 0.5
    return Metrics(
        count=len(y),
        accuracy=float(np.mean(predicted == positive)),
        auc=roc_auc(p, y),
        log_loss=log_loss(p, y),
        ece=expected_calibration_error(p, y),
        true_negatives=int(np.sum(~predicted & ~positive)),
        false_positives=int(np.sum(predicted & ~positive)),
        false_negatives=int(np.sum(~predicted & positive)),
        true_positives=int(np.sum(predicted & positive)),
    )


def log_loss(p: Floats, y: Floats) -> float:
    """Mean of -log of the probability given to the true label, probabilities clipped at 1e-7."""
    p = np.clip(p, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def roc_auc(p: Floats, y: Floats) -> float:
    """Probability that a random positive outscores a random negative, ties counting half (Mann-Whitney U)."""
    positives = int(np.sum(y == 1))
    negatives = len(y) - positives
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    mean_rank = last_rank - (counts - 1) / 2
    u = np.sum(mean_rank[inverse][y == 1]) - positives * (positives + 1) / 2
    return float(u / (positives * negatives))


def roc_curve(p: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Share of negatives and of positives at or above each threshold, from (0, 0) to (1, 1), thresholds falling.

    Both classes must be there.
    """
    order = np.argsort(-p, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    positives, negatives = np.cumsum(y[order] == 1)[last_of_ties], np.cumsum(y[order] == 0)[last_of_ties]
    start = np.zeros(1)
    return np.append(start, negatives / negatives[-1]), np.append(start, positives / positives[-1])


def reliability(p: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Per bin of P(positive), 15 of equal width over [0, 1]: count, mean probability, fraction positive.

    Empty bins have NaN in the last two.
    """
    bins = np.minimum((p * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    counts = np.bincount(bins, minlength=ECE_BINS).astype(np.float64)
    divisor = np.where(counts > 0, counts, np.nan)
    mean = np.bincount(bins, weights=p, minlength=ECE_BINS) / divisor
    fraction = np.bincount(bins, weights=y, minlength=ECE_BINS) / divisor
    return counts, mean, fraction


def expected_calibration_error(p: Floats, y: Floats) -> float:
    """Mean over reviews of |mean P(positive) - fraction positive| of the review's bin; bins of `reliability`.

    The definition of Naeini et al. (2015), on the probability of the positive class.
    """
    counts, mean, fraction = reliability(p, y)
    return float(np.nansum(counts * np.abs(mean - fraction)) / len(y))


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    if p.shape != y.shape or p.ndim != 1 or not len(p):
        raise ValueError(f"need as many labels as probabilities, at least one: {p.shape} and {y.shape}")
    if not np.all((p >= 0) & (p <= 1)) or not np.all((y == 0) | (y == 1)):
        raise ValueError("probabilities lie in [0, 1] and labels are 0 or 1")
    return p, y
