"""`pip install '.[cpu]'`: a fresh environment without torch that scores a review and has every file it needs."""

import json
import subprocess
from pathlib import Path

import pytest

from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.predictor import score_texts
from tests.support.slim import NoNetwork, install_slim

REVIEW = "An honest, moving film with two great performances."


# Its templates, style sheet and script are no Python files, so a wheel may lack them.
STATUS_PAGES = """
from worker.monitoring.health import Health
from worker.settings.schema import Settings
from worker.monitoring.status.pages import status_pages
from worker.monitoring.status.recorder import Recorder

health = Health(stall_timeout_s=60.0, now_s=0.0)
for path, page in status_pages(Recorder(0.0, keeps_reviews=True), health, Settings(), clock=lambda: 1.0).items():
    print(path, len(page()[1]) > 0)
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the commands of such an environment."""
    try:
        return install_slim(tmp_path_factory.mktemp("slim"))
    except NoNetwork:
        pytest.skip("pip reaches no index")


def test_the_slim_installation_has_no_torch_and_scores_as_the_full_one(commands: Path, tmp_path: Path) -> None:
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


def test_the_installation_has_all_files_of_the_status_page(commands: Path, tmp_path: Path) -> None:
    rendered = subprocess.run(
        [commands / "python", "-c", STATUS_PAGES], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert rendered.stdout.splitlines() == [
        f"{path} True" for path in ("/", "/status.json", "/status.css", "/status.js")
    ]
