"""The worker's image, built as its users build it, from whatever base and package index this machine has."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from deploy.kafka.docker import BUILT_IMAGE, OFFICIAL_IMAGE
from tests.support.containers import builder, docker, is_here
from tests.support.deployment import DEPLOY

BASES = (  # the worker's, and that of its build: a venv is moved between them, so never one of each pair
    ("python:3.11-slim-bookworm", "python:3.11-bookworm"),
    ("sentiment-worker/python:3.11", "sentiment-worker/python:3.11-build"),
)
KAFKAS = ((OFFICIAL_IMAGE,), (BUILT_IMAGE,))
BUILD_LIMIT_S = 900.0
REACHES_THE_INDEX = ("index-url", "extra-index-url", "proxy", "timeout", "trusted-host")  # options of pip
AUTHORITIES = "/run/secrets/ca"


def first_that_are_here(choices: Sequence[tuple[str, ...]], how: str) -> tuple[str, ...]:
    """The first of `choices` of which no image need be pulled; skips with `how` to get one."""
    for images in choices:
        if all(map(is_here, images)):
            return images
    pytest.skip(f"none of {', '.join(map(' with '.join, choices))} is here: {how}")


def kafka_image() -> str:
    """The official one, or its stand-in."""
    [image] = first_that_are_here(KAFKAS, "deploy/kafka/build-image.sh makes one")
    return image


def base_images() -> tuple[str, ...]:
    """The worker's and that of its build: the official ones, or their stand-ins."""
    return first_that_are_here(BASES, "deploy/docker/build-base.sh makes the last two")


class Image(NamedTuple):
    """One that was built, and a word that each secret of its build held."""

    tag: str
    canary: str


def build(tag: str, folder: Path, *, extra: str) -> Image:
    """Build it; `folder` is for the secrets of the build."""
    image = Image(tag, canary=uuid4().hex)
    base, build_base = base_images()
    arguments = {"BASE": base, "BUILD_BASE": build_base, "EXTRA": extra, "REVISION": "test"}
    secrets = write_secrets(folder, image.canary)
    docker(
        "build",
        "--network=host",  # the index of this machine may be known to it alone
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
        f"--file={DEPLOY / 'docker' / 'Dockerfile'}",
        f"--tag={tag}",
        str(DEPLOY.parent),
        program=builder(),
        limit_s=BUILD_LIMIT_S,
    )
    return image


def write_secrets(folder: Path, canary: str) -> dict[str, Path]:
    """How this machine reaches its package index, for pip inside the build: a pip.conf and authorities."""
    known = pip_settings()
    lines = ["[global]", *(f"{name} = {known[name]}" for name in REACHES_THE_INDEX if name in known)]
    secrets = {"pip": folder / "pip.conf"}
    if "cert" in known:
        secrets["ca"] = folder / "ca.pem"
        secrets["ca"].write_text(Path(known["cert"]).read_text("utf-8") + f"\n# {canary}\n", "utf-8")
        lines.append(f"cert = {AUTHORITIES}")
    secrets["pip"].write_text("\n".join([*lines, f"# {canary}", ""]), "utf-8")
    return secrets


def pip_settings() -> dict[str, str]:
    """The settings of pip here: from its files, then from its environment."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings = (line.split("=", 1) for line in printed.splitlines())
    given = sorted((name.startswith(":env:"), name.rpartition(".")[2], value) for name, value in settings)
    return {name: value.strip("'") for _, name, value in given}
