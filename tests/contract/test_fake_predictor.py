"""The fake keeps the contract, and does on demand what a real engine does when it fails."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from model.errors import BatchFailed, EngineBroken
from model.predictor import Predictor, score_texts
from tests.contract.predictor_contract import PredictorContract
from tests.fakes.fake_predictor import FakePredictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return FakePredictor()


class TestFakePredictor(PredictorContract):
    pass


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
    with ThreadPoolExecutor(1) as engine:
        answer = engine.submit(score_texts, predictor, ["fine"])
        assert not answer.done()
        predictor.gate.set()
        assert len(answer.result(timeout=10)) == 1
