"""Running other programs of this repository: each wait is bounded, and whatever was started is ended."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from tests.support.worker_process import WorkerProcess, environment

ROOT: Final = Path(__file__).parents[2]
STOP_LIMIT_S: Final = 30.0
TAIL_LINES: Final = 15


class BenchFailed(Exception):
    """Something that is measured did not do its work; the message says what, and what it printed last."""


class Child:
    """A started program."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], stdout: IO[bytes], log: IO[bytes]) -> None:
        self._name = name
        self._process = process
        self._stdout = stdout
        self._log = log

    @property
    def pid(self) -> int:
        """For /proc."""
        return self._process.pid

    def check(self) -> None:
        """Raises BenchFailed when it has ended with an error."""
        if self._process.poll() not in (None, 0):
            raise BenchFailed(f"{self._name} ended with status {self._process.returncode}:\n{self._tail()}")

    def wait(self, limit_s: float) -> None:
        """Wait for its end. Raises BenchFailed when it takes longer or ends with an error."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise BenchFailed(f"{self._name} did not end within {limit_s:.0f} s:\n{self._tail()}") from None
        self.check()

    def until(self, condition: Callable[[], bool], limit_s: float, what: str, *, every_s: float = 0.01) -> None:
        """Wait for something that it brings about. Raises BenchFailed when it has failed or takes longer."""
        deadline_s = time.monotonic() + limit_s
        while not condition():
            self.check()
            if time.monotonic() > deadline_s:
                raise BenchFailed(f"{self._name}: {what} not within {limit_s:.0f} s:\n{self._tail()}")
            time.sleep(every_s)

    def answer(self) -> dict[str, Any]:
        """The JSON object that it has printed on a line of its own: py-spy prints on the same stream."""
        self._stdout.seek(0)
        [line] = [line for line in self._stdout if line.startswith(b"{")]
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """SIGTERM, then SIGKILL for one that does not listen. Nothing happens to one that has ended."""
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)

    def _tail(self) -> str:
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])


@contextmanager
def started(name: str, arguments: Sequence[str], *, variables: Mapping[str, str] | None = None) -> Iterator[Child]:
    """`python -m` with these arguments, ended at the end."""
    with run_program(name, [sys.executable, "-m", *arguments], variables=variables) as child:
        yield child


@contextmanager
def run_program(name: str, command: Sequence[str], *, variables: Mapping[str, str] | None = None) -> Iterator[Child]:
    """A program, ended at the end. Our environment's settings of a worker are kept from it."""
    with TemporaryFile() as stdout, TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environment({}), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is for us: we end it in order
        )
        child = Child(name, process, stdout, log)
        try:
            yield child
        finally:
            child.end()


@contextmanager
def worker_process(log: Path, **settings: Any) -> Iterator[WorkerProcess]:
    """The worker with these settings, stopped at the end."""
    worker = WorkerProcess(log, **settings)
    try:
        yield worker
    finally:
        worker.stop()


def answer_of(name: str, arguments: Sequence[str], *, limit_s: float) -> dict[str, Any]:
    """The JSON object that a program prints. Raises BenchFailed."""
    with started(name, arguments) as child:
        child.wait(limit_s)
        return child.answer()
