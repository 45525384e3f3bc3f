"""Every file that names the version has the version of pyproject.toml."""

import re
import tomllib

import yaml

import worker
from tests.support.deployment import DEPLOY
from tests.support.manifests import MANIFESTS
from tests.support.package import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def tag_in(folder: str) -> str:
    """Return the tag of the worker's image that a kustomization sets."""
    [image] = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text("utf-8"))["images"]
    return str(image["newTag"])


def test_the_worker_has_the_version_of_the_project() -> None:
    assert worker.__version__ == VERSION, "the environment is stale: run `make setup`"


def test_kubernetes_runs_the_images_of_this_version() -> None:
    assert (tag_in("base"), tag_in("components/gpu")) == (VERSION, f"{VERSION}-gpu")


def test_the_guide_builds_the_images_that_kubernetes_runs() -> None:
    guide = (ROOT / "docs/deployment.md").read_text("utf-8")
    assert re.findall(r"-t sentiment-worker:(\S+)", guide) == [VERSION, f"{VERSION}-gpu"]


def test_the_image_is_labelled_with_this_version() -> None:
    dockerfile = (DEPLOY / "docker/Dockerfile").read_text("utf-8")
    assert re.findall(r'image\.version="(.*)"', dockerfile) == [VERSION]


def test_the_newest_changes_are_those_of_this_version_below_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} - \d{{4}}-\d{{2}}-\d{{2}}", headings[1])
