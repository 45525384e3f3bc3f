"""Predictors: the same artifact, computed by different engines. `load_predictor` chooses one."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from model.engines.choice import AUTO, Choice, choices, explain
from model.engines.gpu import gpu_in_sight
from model.errors import EngineUnavailable, ModelError
from model.predictor import Predictor

if TYPE_CHECKING:
    from model.artifact import Artifact
    from model.engines.engine import Engine


def load_predictor(
    directory: Path,
    *,
    engine: str = AUTO,
    device: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
) -> Predictor:
    """Load an artifact into an engine.

    `engine` auto: the fastest one available, in the order of `model.engines.choice.WAYS`. `device` auto: CUDA where
    available. `precision` auto: the engine's default. `threads`: the number of computing cores; None: the physical
    cores that this process may use; ignored on CUDA.
    Raises ModelError for a choice that is unknown or unavailable, with the alternatives, and ArtifactError.
    """
    if threads is not None and threads < 1:
        raise ModelError(f"threads must be at least 1, but is {threads}: give fewer cores or leave it out")
    gpu = gpu_in_sight()
    tried = choices(engine, device, precision, gpu=gpu)

    # Imported here, so that modules which only need the names do not load numpy and safetensors.
    from model.artifact import load_artifact
    from model.engines.engine import EnginePredictor

    artifact = load_artifact(directory)
    passed_over: list[str] = []
    for choice in tried:
        try:
            computing = _BUILDERS[choice.engine](artifact, choice, threads)
        except EngineUnavailable as error:
            passed_over.append(str(error))
        else:
            why = explain(choice, asked=engine, gpu=gpu, passed_over=passed_over)
            return EnginePredictor(artifact, computing, why=why)
    raise EngineUnavailable("; ".join(passed_over))


def _native(artifact: "Artifact", choice: Choice, threads: int | None) -> "Engine":
    from model.engines.native_engine import NativeEngine

    return NativeEngine(
        artifact.weights, max_tokens=artifact.tokenizer.max_tokens, precision=choice.precision, threads=threads
    )


def _onnx(artifact: "Artifact", _choice: Choice, threads: int | None) -> "Engine":
    _require_packages("onnx", "onnxruntime", extra="cpu")
    from model.engines.onnx_engine import OnnxEngine

    return OnnxEngine(
        artifact.config.network, artifact.weights, max_tokens=artifact.tokenizer.max_tokens, threads=threads
    )


def _torch(artifact: "Artifact", choice: Choice, threads: int | None) -> "Engine":
    _require_packages("torch", extra="torch")
    from model.engines.cuda_engine import CudaEngine, cuda_device
    from model.engines.torch_engine import TorchEngine
    from model.networks import build_network

    max_tokens = artifact.tokenizer.max_tokens
    network = build_network(artifact.config.network, artifact.weights)
    if choice.device == "cuda":
        return CudaEngine(network, max_tokens=max_tokens, device=cuda_device(), precision=choice.precision)
    return TorchEngine(network, max_tokens=max_tokens, threads=threads)


_BUILDERS: "dict[str, Callable[[Artifact, Choice, int | None], Engine]]" = {
    "native": _native,
    "onnx": _onnx,
    "torch": _torch,
}


def _require_packages(*packages: str, extra: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise EngineUnavailable(
            f"the engine {packages[0]} needs {' and '.join(missing)}: pip install 'sentiment-worker[{extra}]', "
            "or choose another engine"
        )
