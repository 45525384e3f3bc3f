"""Tests that a loaded model gives the scores that its artifact records."""

from typing import Final

import numpy as np

from model.errors import ModelError
from model.predictor import Predictor

_ROUNDING: Final = 1e-6  # error of a probability in float32


def self_test(predictor: Predictor) -> float:
    """Score the golden reviews in one batch and one at a time; return the largest difference from the known scores.

    Raises ModelError where it is above the engine's tolerance.
    """
    golden = predictor.golden
    if not golden:
        return 0.0
    rows = predictor.tokenize([review.text for review in golden])
    together = predictor.predict(rows).probabilities
    alone = np.concatenate([predictor.predict([row]).probabilities for row in rows])
    expected = np.array([review.probability for review in golden])
    info = predictor.info
    for how, found in (("in a batch", together), ("alone", alone)):
        far = ~(np.abs(found - expected) <= info.tolerance + _ROUNDING)  # true for NaN, too
        if far.any():
            first = int(far.argmax())
            raise ModelError(
                f"{info.name} {info.version} on {info.engine} scores golden review {first + 1} {how} as "
                f"{found[first]:.6f}, but it must be {expected[first]:.6f} within {info.tolerance:.2g}. "
                "Choose another engine or precision, or make the artifact again"
            )
    return float(max(np.abs(together - expected).max(), np.abs(alone - expected).max()))
