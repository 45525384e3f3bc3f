"""Every file that names the version has the version of pyproject.toml."""

import re
import tomllib

import pytest

import worker
from tests.support.package import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def test_the_worker_has_the_version_of_the_project() -> None:
    assert worker.__version__ == VERSION, "the environment is stale: run `make setup`"


@pytest.mark.parametrize(
    ("file", "pattern", "versions"),
    [
        ("deploy/kubernetes/base/kustomization.yaml", "newTag: (.*)", [VERSION]),
        ("deploy/kubernetes/components/gpu/kustomization.yaml", "newTag: (.*)", [f"{VERSION}-gpu"]),
        ("docs/deployment.md", r"-t sentiment-worker:(\S+)", [VERSION, f"{VERSION}-gpu"]),
        ("deploy/docker/Dockerfile", r'image\.version="(.*)"', [VERSION]),
    ],
)
def test_the_images_that_are_built_and_run_are_those_of_this_version(
    file: str, pattern: str, versions: list[str]
) -> None:
    assert [found.strip('"') for found in re.findall(pattern, (ROOT / file).read_text("utf-8"))] == versions


def test_the_newest_changes_are_those_of_this_version_below_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} - \d{{4}}-\d{{2}}-\d{{2}}", headings[1])
