"""One file of reviews, two models: the `model diff` command."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.comparison import Comparison, Floats, compare, mcnemar, only_one_right
from model.errors import ModelError
from model.predictor import Predictor, score_texts
from worker.commands.review_files import Row, Unreadable
from worker.errors import ModelUnusable

AT_ONCE: Final = 256  # reviews
_LABELS: Final = {"1": 1, "positive": 1, "pos": 1, "0": 0, "negative": 0, "neg": 0}


@dataclass(frozen=True, slots=True)
class Flip:
    """A review that the models judge differently."""

    review_id: str
    first: float  # P(positive)
    second: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Which model is right more often, where the file says what is right."""

    labelled: int
    only_first: int  # right where the other is wrong
    only_second: int

    @property
    def p(self) -> float:
        """See `mcnemar`."""
        return mcnemar(self.only_first, self.only_second)


@dataclass(frozen=True, slots=True)
class Difference:
    """All that is told of two models."""

    comparison: Comparison
    flips: tuple[Flip, ...]  # the largest difference first
    judgement: Judgement | None  # None where no review has a label


def diff(
    rows: Iterable[Row | Unreadable],
    models: tuple[Predictor, Predictor],
    *,
    on_failure: Callable[[Unreadable], None],
    on_progress: Callable[[int], None],
) -> Difference:
    """Score every row with both. A field `label` (1, 0, positive, negative) says what is right.

    Raises ModelUnusable where one of them cannot score.
    """
    ids: list[str] = []
    labels: list[float] = []
    scores: list[Floats] = [np.empty((2, 0))]
    chunk: list[Row] = []

    def score_chunk() -> None:
        scores.append(_score(chunk, models))
        on_progress(len(chunk))
        chunk.clear()

    for row in rows:
        if isinstance(row, Unreadable):
            on_failure(row)
            continue
        chunk.append(row)
        ids.append(row.review.review_id or f"line-{row.line}")
        labels.append(_label(row))
        if len(chunk) == AT_ONCE:
            score_chunk()
    score_chunk()
    first, second = np.concatenate(scores, axis=1)
    return _difference(ids, np.array(labels), first, second)


def _score(chunk: list[Row], models: tuple[Predictor, Predictor]) -> Floats:
    texts = [row.review.text for row in chunk]
    try:
        return np.stack([score_texts(model, texts).probabilities.astype(np.float64) for model in models])
    except ModelError as exc:
        raise ModelUnusable(str(exc)) from exc


def _label(row: Row) -> float:
    """0 or 1, NaN where the row has none that we know."""
    label = json.loads(row.value).get("label")
    return _LABELS.get(str(label).lower(), np.nan)


def _difference(ids: list[str], labels: Floats, first: Floats, second: Floats) -> Difference:
    found = compare(first, second)
    known = ~np.isnan(labels)
    judgement = None
    if known.any():
        judgement = Judgement(int(known.sum()), *only_one_right(first[known], second[known], labels[known]))
    flips = tuple(Flip(ids[row], float(first[row]), float(second[row])) for row in found.flips)
    return Difference(found, flips, judgement)
