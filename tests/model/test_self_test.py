"""The test of a loaded model before it is used."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.engines import load_predictor
from model.errors import ModelError
from model.predictor import GoldenReview, ModelInfo, Predictions, Predictor, TokenizedText
from model.self_test import self_test
from tests.support.stage import tiny_artifact

__all__ = ["tiny_artifact"]


class Changed:
    """A real predictor with changed probabilities."""

    def __init__(self, predictor: Predictor, *, nan: bool = False, by_company: float = 0.0, empty: float = 0.5) -> None:
        self._predictor = predictor
        self._nan = nan
        self._by_company = by_company
        self._empty = empty

    @property
    def info(self) -> ModelInfo:
        return self._predictor.info

    @property
    def golden(self) -> Sequence[GoldenReview]:
        return self._predictor.golden

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        return self._predictor.tokenize(texts)

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        found = self._predictor.predict(rows)
        changed = np.clip(found.probabilities + self._by_company * (len(rows) > 1), 0, 1)
        changed[[not len(row) for row in rows]] = self._empty
        if self._nan:
            changed[-1] = np.nan
        return dataclasses.replace(found, probabilities=changed)

    def warm_up(self) -> None:
        self._predictor.warm_up()


@pytest.fixture
def predictor(tiny_artifact: Path) -> Predictor:
    return load_predictor(tiny_artifact, device="cpu", threads=1)


def test_a_good_model_differs_by_no_more_than_its_engines_tolerance(predictor: Predictor) -> None:
    assert 0 <= self_test(predictor) <= predictor.info.tolerance


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"nan": True}, "golden review 5 in a batch as nan"),
        ({"empty": 0.7}, "golden review 2 in a batch as 0.700000, but it must be 0.500000"),
        ({"by_company": 0.01}, "in a batch"),
    ],
)
def test_a_model_with_wrong_scores_is_refused_with_the_difference(
    predictor: Predictor, fault: dict[str, float], complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        self_test(Changed(predictor, **fault))  # type: ignore[arg-type]
