"""The ONNX Runtime engine keeps the contract: both networks, in one lane and in several."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model.artifact import Artifact
from model.engines import load_predictor
from model.predictor import Predictor
from tests.contract.predictor_contract import PredictorContract
from tests.support.artifacts import tiny_bilstm, tiny_reference


@pytest.mark.parametrize("make", [tiny_bilstm, tiny_reference], scope="module")
@pytest.mark.parametrize("threads", [1, 3], scope="module")
class TestOnnx(PredictorContract):
    @pytest.fixture(scope="module")
    @staticmethod
    def predictor(
        make: Callable[[Path], Artifact], threads: int, tmp_path_factory: pytest.TempPathFactory
    ) -> Predictor:
        artifact = make(tmp_path_factory.mktemp("model") / "artifact")
        return load_predictor(artifact.directory, engine="onnx", threads=threads)
