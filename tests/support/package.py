"""The package as users get it: an sdist and a wheel, installed in a new environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NOT_NEEDED = shutil.ignore_patterns(
    ".*", "*.egg-info", "*.so", "__pycache__", "build", "data", "dist", "docs", "runs", "tests", "var"
)
LIMIT_S = 240
NO_NETWORK = "after connection broken by"
# Without PYTHONPATH: it would put the sources before what is installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


class NoNetwork(Exception):
    """Pip cannot reach an index."""


class Package(NamedTuple):
    """The two files of a release."""

    sdist: Path
    wheel: Path


def build(directory: Path) -> Package:
    """Build the sdist, and the wheel from the sdist, as `make package` does. Raises NoNetwork."""
    source, built = directory / "source", directory / "dist"
    shutil.copytree(ROOT, source, ignore=NOT_NEEDED)  # setuptools leaves files where it builds
    run(sys.executable, "-m", "build", "--outdir", built, source)
    [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
    return Package(sdist, wheel)


def install(wheel: Path, directory: Path) -> Path:
    """Install the wheel with `cpu` in a new environment. Return the directory of its commands. Raises NoNetwork."""
    run(sys.executable, "-m", "venv", "--without-pip", directory)
    pip = [sys.executable, "-m", "pip", "--python", f"{directory}/bin/python"]
    run(*pip, "install", "--no-compile", "--retries", "1", "-c", ROOT / "constraints.txt", f"{wheel}[cpu]")
    return directory / "bin"


def run(*command: str | Path, cwd: Path | None = None, stdin: str = "") -> str:
    """Run a command that must succeed. Return what it printed. Raises NoNetwork."""
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, input=stdin, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    printed = done.stdout + done.stderr
    if done.returncode != 0 and NO_NETWORK in printed:
        raise NoNetwork
    assert done.returncode == 0, printed
    return done.stdout


def size_mib(directory: Path) -> float:
    """Return the size of all files below. A file with several links counts once."""
    files = {(stat.st_dev, stat.st_ino): stat.st_size for stat in map(Path.lstat, directory.rglob("*"))}
    return sum(files.values()) / 2**20
