"""Schemas that their projects publish as files of a Go module: fetched through Go's proxy, no code of them is built."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

FETCH_LIMIT_S = 60.0


def go_module(path: str, version: str) -> Path:
    """The folder of a module's files; skips the test where it cannot be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"no go command to fetch {path} with")
    command = [go, "mod", "download", "-json", f"{path}@{version}"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=FETCH_LIMIT_S, check=False)
    if done.returncode != 0:
        pytest.skip(f"{path} could not be fetched: {done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])
