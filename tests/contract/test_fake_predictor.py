"""The fake keeps the contract, and does on demand what a real engine does when it fails."""

import threading

import pytest

from model.errors import BatchFailed, EngineBroken
from model.predictor import Predictions, score_texts
from tests.contract.predictor_contract import PredictorContract
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import until


class TestFakePredictor(PredictorContract):
    @pytest.fixture(scope="class")
    def predictor(self) -> FakePredictor:
        return FakePredictor()


def test_only_a_batch_with_the_failing_word_fails() -> None:
    predictor = FakePredictor()
    predictor.fail_on("poison")
    with pytest.raises(BatchFailed):
        score_texts(predictor, ["fine", "some poison here"])
    assert len(score_texts(predictor, ["fine"])) == 1


def test_once_broken_every_batch_fails() -> None:
    predictor = FakePredictor()
    predictor.break_with(EngineBroken("no device"))
    for _ in range(2):
        with pytest.raises(EngineBroken, match="no device"):
            score_texts(predictor, ["fine"])


def test_the_gate_holds_a_batch_in_the_engine() -> None:
    predictor = FakePredictor()
    predictor.gate.clear()
    answers: list[Predictions] = []
    engine = threading.Thread(target=lambda: answers.append(score_texts(predictor, ["fine"])))
    engine.start()
    assert not answers
    predictor.gate.set()
    engine.join(timeout=10)
    until(lambda: len(answers) == 1)
