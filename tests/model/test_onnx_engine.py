"""The ONNX Runtime engine: torch's numbers, and our errors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.artifact import Artifact
from model.engines import load_predictor
from model.engines.onnx_engine import OnnxEngine
from model.errors import BatchFailed
from model.predictor import TokenizedText
from tests.support.artifacts import WORDS, tiny_bilstm, tiny_reference

BOTH = pytest.mark.parametrize("make", [tiny_bilstm, tiny_reference])
UNKNOWN_TO_BOTH = 1_000  # no word has this id


@pytest.fixture
def artifact(make: Callable[[Path], Artifact], tmp_path: Path) -> Artifact:
    return make(tmp_path / "artifact")


def onnx_engine(artifact: Artifact, threads: int = 2) -> OnnxEngine:
    return OnnxEngine(
        artifact.config.network, artifact.weights, max_tokens=artifact.tokenizer.max_tokens, threads=threads
    )


@BOTH
def test_reviews_of_all_lengths_score_as_in_torch(artifact: Artifact) -> None:
    rng = np.random.default_rng(0)
    rows = [
        TokenizedText(rng.integers(1, len(WORDS), length).astype(np.int32), 0, truncated=False)
        for length in rng.integers(0, artifact.tokenizer.max_tokens + 1, 2_000)
    ]
    onnx, torch = (load_predictor(artifact.directory, engine=name, device="cpu") for name in ("onnx", "torch"))
    expected = torch.predict(rows).probabilities
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(onnx.predict(rows).probabilities, expected, rtol=0, atol=1e-5)


@BOTH
def test_it_describes_its_device(artifact: Artifact) -> None:
    assert onnx_engine(artifact, threads=3).description == "onnx cpu fp32, 3 threads"


@BOTH
def test_a_batch_that_cannot_be_computed_fails_alone(artifact: Artifact) -> None:
    engine = onnx_engine(artifact)
    good, bad = np.array([3, 4], np.int32), np.array([3, UNKNOWN_TO_BOTH], np.int32)
    before = engine.logits([good])
    with pytest.raises(BatchFailed, match="ONNX Runtime could not score 2 reviews of up to 2 tokens") as caught:
        engine.logits([good, bad])
    assert caught.value.__cause__ is not None
    assert engine.logits([good]) == before
