"""The release: its sdist and wheel are complete, and the wheel scores a review in a new environment without torch."""

import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import worker
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.predictor import score_texts
from tests.support.package import ROOT, NoNetwork, Package, build, install, run

REVIEW = "An honest, moving film with two great performances."
PACKAGES = ("worker", "model", "training", "deploy/demo", "deploy/kafka")
NOT_PACKAGED = {"deploy/kafka/build-image.sh", "deploy/kafka/image/entrypoint.sh"}  # they need the repository
NOT_SOURCES = {".pyc", ".so"}
KERNEL_SOURCES = {".cpp", ".h"}
ONLY_IN_SDIST = {
    *("CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "constraints.txt", "pyproject.toml", "setup.py"),
    *("PKG-INFO", "setup.cfg"),  # generated
}
LOAD_KERNEL = "from model.engines.native.binding import Vocabulary; Vocabulary([])"
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

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ to compile the kernel with")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    try:
        return build(tmp_path_factory.mktemp("package"))
    except NoNetwork:
        pytest.skip("pip cannot reach an index")


@pytest.fixture(scope="module")
def commands(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the commands of a new environment that has the wheel."""
    try:
        return install(package.wheel, tmp_path_factory.mktemp("installed"))
    except NoNetwork:
        pytest.skip("pip cannot reach an index")


def sources() -> set[str]:
    """Return all files that belong to the packages, by their paths in the repository."""
    below = (path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    found = {path.as_posix() for path in below if path.suffix not in NOT_SOURCES and not path.name.startswith(".")}
    return {*found, "deploy/__init__.py"} - NOT_PACKAGED


def test_the_sdist_has_all_sources_and_nothing_else(package: Package) -> None:
    with tarfile.open(package.sdist) as archive:
        files = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert {file for file in files if ".egg-info/" not in file} == sources() | ONLY_IN_SDIST


def test_the_wheel_has_all_modules_and_their_data_and_nothing_else(package: Package) -> None:
    with zipfile.ZipFile(package.wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith(".so")}
    assert files == {name for name in sources() if Path(name).suffix not in KERNEL_SOURCES}


@needs_compiler
def test_the_kernel_is_compiled_from_the_sdist_and_loads_where_the_wheel_is_installed(
    commands: Path, tmp_path: Path
) -> None:
    """The wheel is built from the sdist, as when pip installs the sdist."""
    run(commands / "python", "-c", LOAD_KERNEL, cwd=tmp_path)


def test_the_installed_command_prints_its_version(commands: Path, tmp_path: Path) -> None:
    assert run(commands / "sentiment-worker", "--version", cwd=tmp_path) == f"{worker.__version__}\n"


def test_the_slim_installation_has_no_torch_and_scores_as_the_full_one(commands: Path, tmp_path: Path) -> None:
    torch = subprocess.run([commands / "python", "-Ic", "import torch"], cwd=tmp_path, capture_output=True, check=False)
    assert b"No module named 'torch'" in torch.stderr
    review = json.dumps({"review_id": "r-1", "text": REVIEW})
    scored = run(commands / "sentiment-worker", "score", cwd=tmp_path, stdin=review)
    full = load_predictor(DEFAULT_ARTIFACT, engine="torch", device="cpu")
    expected = score_texts(full, [REVIEW]).probabilities[0]
    assert json.loads(scored)["score"] == pytest.approx(expected, abs=0.003)


def test_the_installation_has_all_files_of_the_status_page(commands: Path, tmp_path: Path) -> None:
    rendered = run(commands / "python", "-c", STATUS_PAGES, cwd=tmp_path)
    assert rendered.splitlines() == [f"{path} True" for path in ("/", "/status.json", "/status.css", "/status.js")]
