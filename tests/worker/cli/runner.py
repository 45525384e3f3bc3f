"""The command line as tests run it: in this process, or as a process of its own."""

import subprocess
import sys

from click.testing import CliRunner, Result

from tests.support.worker_process import ROOT
from worker.cli import main
from worker.wire.scored import ScoredReview

LIMIT_S = 60.0  # for a process that imports torch on a busy machine


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start the real program as a process of its own."""
    command = [sys.executable, "-m", "worker", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def results_in(output: bytes | str) -> list[ScoredReview]:
    """The scored reviews in an output, one a line."""
    return [ScoredReview.model_validate_json(line) for line in output.splitlines()]
