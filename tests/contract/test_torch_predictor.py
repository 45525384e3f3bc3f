"""The torch engines keep the contract: both networks on the CPU, in one lane and in several, and on CUDA."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.artifact import Artifact, load_artifact
from model.engines import load_predictor
from model.engines.cuda_engine import CudaEngine
from model.engines.engine import EnginePredictor
from model.networks import build_network
from model.predictor import Predictor
from tests.contract.predictor_contract import PredictorContract
from tests.support.artifacts import tiny_bilstm, tiny_reference

NETWORKS = pytest.mark.parametrize("make", [tiny_bilstm, tiny_reference], scope="module")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")


@pytest.fixture(scope="module")
def artifact(make: Callable[[Path], Artifact], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("model") / "artifact").directory


@NETWORKS
@pytest.mark.parametrize("threads", [1, 3], scope="module")
class TestOnTheCpu(PredictorContract):
    @pytest.fixture(scope="module")
    @staticmethod
    def predictor(artifact: Path, threads: int) -> Predictor:
        return load_predictor(artifact, device="cpu", threads=threads)


@NETWORKS
@pytest.mark.parametrize("precision", ["fp32", "fp16"], scope="module")
class TestTheCudaEngineOnTheCpu(PredictorContract):
    """What of it needs no GPU."""

    @pytest.fixture(scope="module")
    @staticmethod
    def predictor(artifact: Path, precision: str) -> Predictor:
        loaded = load_artifact(artifact)
        engine = CudaEngine(
            build_network(loaded.config.network, loaded.weights),
            max_tokens=loaded.tokenizer.max_tokens,
            device=torch.device("cpu"),
            precision=precision,
        )
        return EnginePredictor(loaded, engine)


@pytest.mark.gpu
@needs_cuda
@NETWORKS
@pytest.mark.parametrize("precision", ["fp32", "fp16"], scope="module")
class TestOnCuda(PredictorContract):
    @pytest.fixture(scope="module")
    @staticmethod
    def predictor(artifact: Path, precision: str) -> Predictor:
        return load_predictor(artifact, device="cuda", precision=precision)
