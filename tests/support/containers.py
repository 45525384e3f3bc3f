"""Docker by its command: what is asked of it as of any other program, in the words that its users know."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import environ, get_exec_path
from uuid import uuid4

import pytest

ANSWER_LIMIT_S = 120.0
BUILTIN_BUILDKIT_UNTIL = 22  # later clients need the plugin buildx


def docker(*arguments: object, program: str = "docker", limit_s: float = ANSWER_LIMIT_S, stdin: str = "") -> str:
    """What `docker ...` printed; fails with what it said otherwise."""
    done = _run(program, *arguments, limit_s=limit_s, stdin=stdin)
    assert done.returncode == 0, f"docker {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def needs_daemon() -> None:
    """Skip where no Docker answers."""
    if not works("docker", "version"):
        pytest.skip("no Docker daemon answers: deploy/ci/docker.sh start, as root")


def works(program: str, *arguments: str) -> bool:
    """Whether there is such a program, and it does that."""
    return shutil.which(program) is not None and _run(program, *arguments).returncode == 0


def is_here(image: str) -> bool:
    """Whether there is no need to pull it."""
    return works("docker", "image", "inspect", image)


def builder() -> str:
    """A docker command that has BuildKit, of itself or by its plugin; skips where there is none."""
    for folder in get_exec_path():
        program = shutil.which("docker", path=folder)
        if program and (works(program, "buildx", "version") or _is_old(program)):
            return program
    pytest.skip("no docker command here builds with BuildKit: install its plugin buildx")


def _is_old(program: str) -> bool:
    version = re.search(r"version (\d+)", _run(program, "--version").stdout)
    return version is not None and int(version[1]) <= BUILTIN_BUILDKIT_UNTIL


def _run(
    program: str, *arguments: object, limit_s: float = ANSWER_LIMIT_S, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *map(str, arguments)],
        input=stdin,
        env=environ | {"DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


@contextmanager
def network() -> Iterator[str]:
    """A network from which nothing outside can be reached."""
    name = f"sentiment-test-{uuid4().hex[:12]}"
    docker("network", "create", "--internal", name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


@contextmanager
def container(image: str, *command: str, flags: Iterable[str]) -> Iterator[str]:
    """A container in the background, by its name; removed at the end, its log shown where the test failed."""
    name = f"sentiment-test-{uuid4().hex[:12]}"
    docker("run", "--detach", "--name", name, *flags, image, *command)
    try:
        yield name
    finally:
        sys.stderr.write(_run("docker", "logs", name).stderr)  # pytest shows it where a test failed
        docker("rm", "--force", "--volumes", name)
