"""Metrics of probabilities against labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

ECE_BINS = 15
_SMALLEST_PROBABILITY = 1e-7  # keeps the logarithm of a certain but wrong answer finite

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassificationMetrics:
    """How well a model scores one labelled set. The threshold is 0.5; exactly 0.5 counts as positive."""

    count: int
    accuracy: float
    auc: float  # area under the ROC curve; 0.5 where a class is missing
    log_loss: float  # mean natural logarithm
    ece: float  # see `expected_calibration_error`
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int


def measure(probabilities: ArrayLike, labels: ArrayLike) -> ClassificationMetrics:
    """Compare P(positive), shape (B,), with labels 0 or 1, shape (B,), B >= 1. Raises ValueError on other input."""
    p, y = _checked(probabilities, labels)
    tn, fp, fn, tp = map(int, confusion_matrix(y == 1, p >= 0.5, labels=[False, True]).ravel())
    return ClassificationMetrics(
        count=len(y),
        accuracy=(tn + tp) / len(y),
        auc=float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else 0.5,
        log_loss=log_loss(p, y),
        ece=expected_calibration_error(p, y),
        true_negatives=tn,
        false_positives=fp,
        false_negatives=fn,
        true_positives=tp,
    )


def log_loss(p: Floats, y: Floats) -> float:
    """Mean of -log of the probability given to the true label; probabilities (B,) are clipped at 1e-7, labels (B,)."""
    p = np.clip(p, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def reliability(p: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Per bin of P(positive), 15 of equal width over [0, 1]: count, mean probability, fraction positive; each (15,).

    Empty bins have NaN in the last two.
    """
    bins = np.minimum((p * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    counts = np.bincount(bins, minlength=ECE_BINS).astype(np.float64)
    divisor = np.where(counts > 0, counts, np.nan)
    mean = np.bincount(bins, weights=p, minlength=ECE_BINS) / divisor
    fraction = np.bincount(bins, weights=y, minlength=ECE_BINS) / divisor
    return counts, mean, fraction


def expected_calibration_error(p: Floats, y: Floats) -> float:
    """Mean over reviews of |mean P(positive) - fraction positive| of the review's bin (Naeini et al. 2015)."""
    counts, mean, fraction = reliability(p, y)
    return float(np.nansum(counts * np.abs(mean - fraction)) / len(y))


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    if p.shape != y.shape or p.ndim != 1 or not len(p):
        raise ValueError(f"need as many labels as probabilities, at least one: {p.shape} and {y.shape}")
    if not np.all((p >= 0) & (p <= 1)) or not np.all((y == 0) | (y == 1)):
        raise ValueError("probabilities must be in [0, 1] and labels 0 or 1")
    return p, y
