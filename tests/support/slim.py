"""The slim installation as its users make it: `pip install '.[cpu]'` into an environment of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_INSTALLED = shutil.ignore_patterns(".*", "var", "tests", "docs", "deploy", "build", "*.egg-info", "__pycache__")
INSTALL_LIMIT_S = 240
NO_NETWORK = "after connection broken by"


class NoNetwork(Exception):
    """Pip reaches no index."""


def install_slim(directory: Path) -> Path:
    """Make the environment; the directory of its commands. Raises NoNetwork."""
    source, environment = directory / "source", directory / "environment"
    shutil.copytree(ROOT, source, ignore=NOT_INSTALLED)  # setuptools leaves files where it builds
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [f"{environment}/bin/python", "-m", "pip", "install", "--no-compile", "--retries", "1"]
    pip = subprocess.run(
        [*install, "-c", str(ROOT / "constraints.txt"), f"{source}[cpu]"],
        capture_output=True,
        text=True,
        timeout=INSTALL_LIMIT_S,
        check=False,
    )
    if pip.returncode != 0 and NO_NETWORK in pip.stderr:
        raise NoNetwork
    assert pip.returncode == 0, pip.stderr
    return environment / "bin"


def size_mib(directory: Path) -> float:
    """Of all files below, a linked one counted once."""
    files = {(stat.st_dev, stat.st_ino): stat.st_size for stat in map(Path.lstat, directory.rglob("*"))}
    return sum(files.values()) / 2**20
