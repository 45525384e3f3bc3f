"""Labels the unlabelled reviews with two teachers: a linear model fitted here, and the opinions of an expert.

The linear model is weaker but errs on other reviews, so the two together are less certain where they are wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from model.artifact import Calibration
from training.calibrate import fit_calibration
from training.datasets import Splits, hard_targets
from training.errors import DatasetError
from training.linear import NbSvm
from training.opinions import Opinions
from training.recipes import ProductionRecipe

_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True, slots=True)
class Teachers:
    """Both teachers, and their calibrations on the dev set; nothing else of the dev set affects a label."""

    linear: NbSvm
    opinions: Opinions | None
    expert_share: float
    expert_scale: Calibration
    together: Calibration

    @classmethod
    def fit(cls, recipe: ProductionRecipe, splits: Splits, opinions: Opinions | None) -> "Teachers":
        """Fit the linear one on the labelled reviews, and calibrate on dev. Raises DatasetError."""
        linear = NbSvm.fit([row.text for row in splits.train], hard_targets(splits.train).astype(int).tolist())
        if not recipe.has("expert"):
            return cls(linear, None, 0.0, Calibration(), Calibration())
        if opinions is None:
            raise DatasetError(
                "the recipe has an expert, but its opinions are missing: give --opinions, or train --without expert"
            )
        dev, labels = [row.text for row in splits.dev], hard_targets(splits.dev)
        scale = fit_calibration(opinions.about(dev), labels)
        draft = cls(linear, opinions, recipe.expert_share, scale, Calibration())
        return cls(linear, opinions, recipe.expert_share, scale, fit_calibration(draft.mixed(dev), labels))

    def labels(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """P(positive) (B,) of whole reviews; the linear teacher's where there is no expert."""
        if self.opinions is None:
            return self.linear.probabilities(texts)
        return self.together.probabilities(self.mixed(texts)).astype(np.float32)

    def expert_labels(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """P(positive) (B,) by the expert alone, for texts too short for the linear teacher."""
        if self.opinions is None:
            raise ValueError("there is no expert")
        return self.expert_scale.probabilities(self.opinions.about(texts)).astype(np.float32)

    def mixed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The weighted mean of both log-odds, (B,)."""
        expert, linear = _log_odds(self.expert_labels(texts)), _log_odds(self.linear.probabilities(texts))
        return self.expert_share * expert + (1 - self.expert_share) * linear


def _log_odds(p: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(p.astype(np.float64), _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)))
