"""Analyses one model's scores on a labelled set, or compares two models' scores, as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.comparison import mcnemar
from model.predictor import Predictor, score_texts
from training.datasets import Example
from training.evaluate import ClassificationMetrics, Floats, measure, reliability
from training.progress import Show
from training.tables import confusion_table, markdown_table, metrics_note, metrics_table

_SCORED_AT_ONCE = 1024  # reviews
_LENGTHS = (15, 50, 100, 200, 399)  # words: the upper end of each row of the table by length
_SIGNIFICANT = 0.05
_SHOWN = 5  # errors, or reviews that only one model gets right
_EXCERPT = 200  # characters


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's scores of labelled reviews; each field has one entry per review."""

    reviews: Sequence[Example]
    labels: Floats  # (B,), 0 or 1
    probabilities: Floats  # (B,), P(positive)
    words: NDArray[np.int64]  # (B,), that the network read

    @property
    def right(self) -> NDArray[np.bool_]:
        """(B,), whether the probability is on the label's side of 0.5."""
        return np.asarray((self.probabilities >= 0.5) == (self.labels == 1))

    def where(self, kept: NDArray[np.bool_]) -> "Scores":
        """The scores of the reviews for which `kept`, (B,), is true."""
        reviews = tuple(row for row, keep in zip(self.reviews, kept, strict=True) if keep)
        return Scores(reviews, self.labels[kept], self.probabilities[kept], self.words[kept])

    @property
    def metrics(self) -> ClassificationMetrics:
        """Metrics of all reviews. Raises ValueError where there is none."""
        return measure(self.probabilities, self.labels)


def score_reviews(predictor: Predictor, reviews: Sequence[Example], show: Show) -> Scores:
    """Score labelled reviews as the worker does. Raises ValueError where a label is missing."""
    if any(row.label is None for row in reviews):
        raise ValueError("a review has no label")
    probabilities, words = [np.empty(0, np.float32)], [np.empty(0, np.int32)]
    for start in range(0, len(reviews), _SCORED_AT_ONCE):
        chunk = reviews[start : start + _SCORED_AT_ONCE]
        found = score_texts(predictor, [row.text for row in chunk])
        probabilities.append(found.probabilities)
        words.append(found.tokens)
        show(start + len(chunk))
    return Scores(
        reviews,
        labels=np.array([row.label for row in reviews], np.float64),
        probabilities=np.concatenate(probabilities).astype(np.float64),
        words=np.concatenate(words).astype(np.int64),
    )


def evaluation(name: str, scores: Scores) -> str:
    """Metrics, confusion, accuracy by length, reliability and the worst errors of one labelled set."""
    sections = [
        metrics_table({name: scores.metrics}),
        metrics_note(),
        confusion_table(name, scores.metrics),
        by_length_table(scores),
        "By P(positive)",
        markdown_table(["P(positive), mean", "reviews", "fraction positive"], _by_probability(scores)),
        "The surest errors",
        worst_errors(scores),
    ]
    return "\n\n".join(sections)


def comparison(name: str, models: tuple[str, str], scores: tuple[Scores, Scores]) -> str:
    """McNemar's exact test of two models on the same reviews, and reviews that only one of them gets right."""
    first, second = scores
    only_first, only_second = first.right & ~second.right, second.right & ~first.right
    wins = (int(only_first.sum()), int(only_second.sum()))
    sections = [
        metrics_table({f"{name}: {model}": one.metrics for model, one in zip(models, scores, strict=True)}),
        metrics_note(),
        _significance(models, wins),
    ]
    for model, other, where in ((models[0], second, only_first), (models[1], first, only_second)):
        surest = _surest(other, where)
        if len(surest):
            sections += [f"Right with {model} alone", "\n".join(_shown(other, row) for row in surest)]
    return "\n\n".join(sections)


def _significance(models: tuple[str, str], wins: tuple[int, int]) -> str:
    p = mcnemar(*wins)
    chance = "may be" if p >= _SIGNIFICANT else "is hardly"
    return (
        f"Right where the other is wrong: {models[0]} {wins[0]:,} times, {models[1]} {wins[1]:,} times. "
        f"That {chance} chance: p = {p:.2g} (McNemar, exact, two-sided)."
    )


def worst_errors(scores: Scores) -> str:
    """The reviews that the model gets wrong with the greatest certainty, as a list."""
    worst = _surest(scores, ~scores.right)
    return "\n".join(_shown(scores, row) for row in worst) if len(worst) else "none"


def _surest(scores: Scores, where: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = np.flatnonzero(where)
    return rows[np.argsort(-np.abs(scores.probabilities[rows] - 0.5), kind="stable")[:_SHOWN]]


def _shown(scores: Scores, row: int) -> str:
    review = scores.reviews[row]
    text = " ".join(review.text.replace("<br />", " ").split())
    excerpt = text if len(text) <= _EXCERPT else f"{text[: _EXCERPT // 2]} ... {text[-_EXCERPT // 2 :]}"
    truth = "positive" if review.label else "negative"
    return f"- {review.id}: P(positive) {scores.probabilities[row]:.3f}, is {truth}: {excerpt}"


def by_length(scores: Scores) -> dict[str, ClassificationMetrics]:
    """Range of words read -> metrics of its reviews, the shortest first; ranges without a review are left out."""
    bins = np.searchsorted(_LENGTHS, scores.words)
    names = [f"{low + 1}-{high}" for low, high in zip((-1, *_LENGTHS[:-1]), _LENGTHS, strict=True)]
    names.append(f"{_LENGTHS[-1] + 1} or more")
    found = {}
    for number, name in enumerate(names):
        there = bins == number
        if there.any():
            found[name] = measure(scores.probabilities[there], scores.labels[there])
    return found


def by_length_table(scores: Scores) -> str:
    """`by_length` as a Markdown table."""
    rows = ([name, f"{m.count:,}", f"{m.accuracy:.4f}", f"{m.log_loss:.4f}"] for name, m in by_length(scores).items())
    return markdown_table(["words read", "reviews", "accuracy", "log-loss"], rows)


def _by_probability(scores: Scores) -> Iterable[list[str]]:
    for count, mean, fraction in zip(*reliability(scores.probabilities, scores.labels), strict=True):
        if count:
            yield [f"{mean:.3f}", f"{count:,.0f}", f"{fraction:.3f}"]
