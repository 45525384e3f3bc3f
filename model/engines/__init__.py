"""Predictors: the same artifact, computed in different ways. `load_predictor` chooses."""

from collections.abc import Collection
from pathlib import Path

from model.errors import ModelError
from model.predictor import Predictor

ENGINES = ("auto", "torch")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "fp16")


def load_predictor(
    directory: Path,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Predictor:
    """Load an artifact into an engine.

    `device` auto: CUDA where there is one. `precision` auto: fp16 on CUDA, fp32 on a CPU. `threads`: how many cores
    compute, None for the physical cores that this process may use; without meaning on CUDA.
    Raises ModelError for what cannot be had here, with the values that can, and ArtifactError for the artifact.
    """
    _require("engine", engine, ENGINES)
    _require("device", device, DEVICES)
    _require("precision", precision, PRECISIONS)
    if threads is not None and threads < 1:
        raise ModelError(f"threads must be at least 1, but is {threads}: give fewer cores or leave it out")

    # Imported here: who only names the contract must not wait seconds for torch.
    from model.artifact import load_artifact
    from model.engines.engine import EnginePredictor
    from model.engines.torch_engine import TorchEngine, choose_device
    from model.networks import build_network

    chosen = choose_device(device)
    if precision == "auto":
        precision = "fp16" if chosen.type == "cuda" else "fp32"
    if precision == "fp16" and chosen.type == "cpu":
        raise ModelError("precision fp16 needs CUDA; on a CPU the choices are auto, fp32")
    artifact = load_artifact(directory)
    torch_engine = TorchEngine(
        build_network(artifact.config.network, artifact.weights),
        max_tokens=artifact.tokenizer.max_tokens,
        device=chosen,
        precision=precision,
        threads=threads,
    )
    return EnginePredictor(artifact, torch_engine)


def _require(name: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ModelError(f"{name} {value!r} is not known; the choices are {', '.join(allowed)}")
