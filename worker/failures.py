"""One review that cannot be scored costs one dead letter, never its neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.errors import BatchFailed
from model.predictor import Predictions, TokenizedText

Predict = Callable[[Sequence[TokenizedText]], Predictions]


@dataclass(frozen=True, slots=True)
class Score:
    """What the model says of one review."""

    probability: float
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Poison:
    """A review that fails even alone."""

    error: str


def score_or_isolate(predict: Predict, rows: Sequence[TokenizedText]) -> list[Score | Poison]:
    """Score all rows at once; when that fails, halve until the failing ones are alone.

    A bad row costs about 2 log2(rows) further calls. Anything but BatchFailed is not about a row: it passes.
    """
    try:
        predictions = predict(rows)
    except BatchFailed as exc:
        if len(rows) == 1:
            return [Poison(str(exc))]
        half = len(rows) // 2
        return score_or_isolate(predict, rows[:half]) + score_or_isolate(predict, rows[half:])
    return [
        Score(probability, tokens, truncated)
        for probability, tokens, truncated in zip(
            predictions.probabilities.tolist(),
            predictions.tokens.tolist(),
            predictions.truncated.tolist(),
            strict=True,
        )
    ]
