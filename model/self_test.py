"""Does a model that was loaded score as it must? For whoever is about to rely on it."""

from typing import Final

import numpy as np

from model.errors import ModelError
from model.predictor import Predictor

_ROUNDING: Final = 1e-6  # of a probability to float32


def self_test(predictor: Predictor) -> float:
    """Score the golden reviews together and each alone; return the largest difference from what they must be.

    Raises ModelError where that is above the engine's tolerance.
    """
    golden = predictor.golden
    if not golden:
        return 0.0
    rows = predictor.tokenize([review.text for review in golden])
    together = predictor.predict(rows).probabilities
    alone = np.concatenate([predictor.predict([row]).probabilities for row in rows])
    expected = np.array([review.probability for review in golden])
    info = predictor.info
    for how, found in (("in company", together), ("alone", alone)):
        far = ~(np.abs(found - expected) <= info.tolerance + _ROUNDING)  # what is no number is far, too
        if far.any():
            first = int(far.argmax())
            raise ModelError(
                f"{info.name} {info.version} on {info.engine} scores golden review {first + 1} {how} as "
                f"{found[first]:.6f}, and it must be {expected[first]:.6f} within {info.tolerance:.2g}. "
                "Take another engine or precision, or make the artifact again"
            )
    return float(max(np.abs(together - expected).max(), np.abs(alone - expected).max()))
