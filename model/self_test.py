"""Does a model that was loaded score as a predictor promises? For whoever is about to rely on it."""

from typing import Final

import numpy as np

from model.errors import ModelError
from model.predictor import Predictor

_TEXTS: Final = (
    "A wonderful, moving film with two great performances.",
    "",
    "Dull, badly acted, and far too long: a waste of time.",
    "It was neither good nor bad, and I had forgotten it by the next day. " * 20,
    "Fine.",
)


def self_test(predictor: Predictor) -> float:
    """Score a few texts together and each alone; return the largest difference of a probability.

    Raises ModelError where that is above the engine's tolerance, or where a score cannot be right.
    """
    rows = predictor.tokenize(_TEXTS)
    together = predictor.predict(rows).probabilities
    alone = np.concatenate([predictor.predict([row]).probabilities for row in rows])
    what = f"{predictor.info.name} {predictor.info.version} on {predictor.info.engine}"
    if not (np.isfinite(together).all() and ((together >= 0) & (together <= 1)).all()):
        raise ModelError(f"{what} gives a score that is no probability. Take another engine, or make the model again")
    if together[1] != 0.5:
        raise ModelError(f"{what} scores a text without words as {together[1]:.3f} instead of 0.5. Make it again")
    difference = float(np.abs(together - alone).max())
    if difference > predictor.info.tolerance:
        raise ModelError(
            f"{what} scores a text in company otherwise than alone, by {difference:.2g}; "
            f"{predictor.info.tolerance:.2g} is allowed. Take another engine or precision"
        )
    return difference
