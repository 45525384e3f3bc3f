"""The native engine keeps the contract: both networks, each precision, at every level that this processor has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model.artifact import Artifact
from model.engines.engine import EnginePredictor
from model.engines.native.binding import PRECISIONS
from model.engines.native_engine import NativeEngine
from model.predictor import Predictor
from tests.contract.predictor_contract import PredictorContract
from tests.support.artifacts import tiny_bilstm, tiny_reference
from tests.support.native import CALLED, kernel


@pytest.fixture(scope="module")
def artifact(make: Callable[[Path], Artifact], tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make(tmp_path_factory.mktemp("model") / "artifact")


@pytest.mark.parametrize("make", [tiny_bilstm, tiny_reference], scope="module")
@pytest.mark.parametrize("level", CALLED, scope="module")
@pytest.mark.parametrize(("precision", "threads"), list(zip(PRECISIONS, (1, 3), strict=True)), scope="module")
class TestOnTheCpu(PredictorContract):
    @pytest.fixture(scope="module")
    @staticmethod
    def predictor(artifact: Artifact, level: str, precision: str, threads: int) -> Predictor:
        max_tokens = artifact.tokenizer.max_tokens
        engine = NativeEngine(
            artifact.weights, max_tokens=max_tokens, precision=precision, threads=threads, kernel=kernel(level)
        )
        return EnginePredictor(artifact, engine)
