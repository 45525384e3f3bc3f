"""`pip install '.[cpu]'`: a fresh environment without torch that scores a review."""

import json
import subprocess
from pathlib import Path

import pytest

from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.predictor import score_texts
from tests.support.slim import NoNetwork, install_slim

REVIEW = "An honest, moving film with two great performances."


def test_the_slim_installation_has_no_torch_and_scores_as_the_full_one(tmp_path: Path) -> None:
    try:
        commands = install_slim(tmp_path)
    except NoNetwork:
        pytest.skip("pip reaches no index")
    torch = subprocess.run([commands / "python", "-c", "import torch"], cwd=tmp_path, capture_output=True, check=False)
    assert b"No module named 'torch'" in torch.stderr
    scored = subprocess.run(
        [commands / "sentiment-worker", "score"],
        cwd=tmp_path,
        input=json.dumps({"review_id": "r-1", "text": REVIEW}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    full = load_predictor(DEFAULT_ARTIFACT, engine="torch", device="cpu")
    expected = score_texts(full, [REVIEW]).probabilities[0]
    assert json.loads(scored.stdout)["score"] == pytest.approx(expected, abs=0.003)
