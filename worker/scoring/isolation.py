"""One review that cannot be scored costs one dead letter, never its neighbours."""

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
    """A review that fails even alone."""

    error: str


def score_or_isolate(
    predict: Predict, rows: Sequence[TokenizedText], *, out_of_time: Callable[[], bool] = lambda: False
) -> list[Score | Poison]:
    """Score all rows at once; when that fails, halve until the failing ones are alone, and try those once more.

    So a batch that was too large for the memory is scored in parts, a fault that passes costs nothing, and a bad row
    costs about 2 log2(rows) further calls. Anything but BatchFailed is not about a row: it passes.
    Raises EngineBroken when rows still fail and `out_of_time` says so: by then it is not the reviews.
    """
    try:
        return _scores(predict(rows))
    except BatchFailed as exc:
        if out_of_time():
            raise EngineBroken(f"the search for the reviews that it fails on took too long: {exc}") from exc
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
    """Raise BatchFailed for what no engine should answer: published, it would not even be JSON."""
    probabilities = predictions.probabilities
    right = (probabilities >= 0) & (probabilities <= 1)  # NaN is neither
    if not right.all():
        raise BatchFailed(f"the engine's score is no probability for {np.sum(~right)} of {len(predictions)}")
    columns = [getattr(predictions, field.name).tolist() for field in fields(predictions)]
    return list(starmap(Score, zip(*columns, strict=True)))
