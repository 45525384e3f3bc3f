"""Finds the reviews that make a batch fail, so that the others are scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import starmap

import numpy as np

from model.errors import BatchFailed, EngineBroken
from model.predictor import Predictions, TokenizedText
from worker.wire.scored import Score

Predict = Callable[[Sequence[TokenizedText]], Predictions]


@dataclass(frozen=True, slots=True)
class Poison:
    """The result of a review that fails even alone."""

    error: str


def score_or_isolate(
    predict: Predict, rows: Sequence[TokenizedText], *, out_of_time: Callable[[], bool] = lambda: False
) -> list[Score | Poison]:
    """Score all rows in one call. If that fails, halve until the failing rows are alone, and try those once more.

    So a batch that is too large for the memory is scored in parts, and a temporary fault costs nothing. A bad row costs
    about 2 log2(rows) more calls. Only BatchFailed is handled, because no other error is about a row.
    Raises EngineBroken if a batch fails and `out_of_time` returns True: by then the reviews are not the cause.
    """
    try:
        return _scores(predict(rows))
    except BatchFailed as exc:
        if out_of_time():
            raise EngineBroken(f"the search for the reviews that make it fail took too long: {exc}") from exc
    if len(rows) == 1:
        return _last_try(predict, rows)
    half = len(rows) // 2
    return [
        result
        for part in (rows[:half], rows[half:])
        for result in score_or_isolate(predict, part, out_of_time=out_of_time)
    ]


def _last_try(predict: Predict, row: Sequence[TokenizedText]) -> list[Score | Poison]:
    try:
        return _scores(predict(row))
    except BatchFailed as exc:
        return [Poison(str(exc))]


def _scores(predictions: Predictions) -> list[Score | Poison]:
    """Raises BatchFailed if a score is not a probability: NaN, for example, is not valid JSON."""
    probabilities = predictions.probabilities
    valid = (probabilities >= 0) & (probabilities <= 1)  # NaN is neither
    if not valid.all():
        raise BatchFailed(f"the score is not a probability for {np.sum(~valid)} of {len(predictions)} reviews")
    columns = [getattr(predictions, field.name).tolist() for field in fields(predictions)]
    return list(starmap(Score, zip(*columns, strict=True)))
