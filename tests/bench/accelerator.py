"""A predictor that computes nothing and takes its time: what an accelerator is to the pipeline."""

import time
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from model.predictor import GoldenReview, ModelInfo, Predictions, TokenizedText

TOKENS_A_REVIEW = 200
LOOK_S = 0.01


class SimulatedAccelerator:
    """See `model.predictor.Predictor`: each review takes 1 / `reviews_per_s`, and no processor time.

    Tokenizing costs nothing either: what is left is what the pipeline costs.
    """

    def __init__(self, reviews_per_s: float, *, may_begin: Callable[[], bool] = lambda: True) -> None:
        """Nothing is computed until it `may_begin`."""
        self._may_begin = may_begin
        self.golden: tuple[GoldenReview, ...] = ()
        self._service_s = 1 / reviews_per_s
        self._row = TokenizedText(np.ones(TOKENS_A_REVIEW, np.int32), 0, truncated=False)
        self._answer = cache(lambda rows: Predictions.of([self._row] * rows, np.full(rows, 0.75, np.float32)))
        self.info = ModelInfo(
            name="simulated",
            version="1",
            sha256="0" * 64,
            engine=f"simulated, {reviews_per_s:,.0f} reviews/s",
            tolerance=0.0,
        )

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See Predictor."""
        return [self._row] * len(texts)

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """See Predictor."""
        while not self._may_begin():
            time.sleep(LOOK_S)
        self._may_begin = lambda: True
        time.sleep(len(rows) * self._service_s)
        return self._answer(len(rows))

    def warm_up(self) -> None:
        """See Predictor."""
