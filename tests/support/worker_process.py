"""The worker as its users run it: a process of its own, steered by its environment, signals and HTTP port alone."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Self
from urllib.error import HTTPError

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from deploy.kafka.ports import free_ports
from tests.support.until import until

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 120.0  # on a busy machine; the worker has no limit of its own for warming up
EXIT_LIMIT_S = 60.0
ANSWER_LIMIT_S = 5.0
TAIL_LINES = 30
# A process of several that run the tests is killed at Ctrl-C, and ends nothing that it has started.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


class WorkerProcess:
    """`python -m worker run` with these settings (`linger_ms=5`). The caller has to `kill` it in the end.

    Another `module`, with arguments of its own, stands for a worker with something wrong inside.
    """

    def __init__(self, log: Path, *module: str, until_empty: bool = False, **settings: object) -> None:
        self._log = log
        given = {"http_port": free_ports(1)[0]} | settings
        self.port = int(str(given["http_port"]))
        flags = ["--until-empty"] if until_empty else []
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, sys.executable, "-m", *(module or ("worker",)), "run", *flags],
                cwd=ROOT,
                env=environment(given),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """For /proc."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def ready(self) -> bool:
        """Whether it scores reviews now. Fails when it has ended: it never will."""
        assert self.running, f"ended with status {self._process.returncode} before it was ready"
        return self.get("/readyz")[0] == 200

    def until_ready(self) -> Self:
        """Wait until it scores reviews."""
        until(self.ready, START_LIMIT_S, "the worker is ready")
        return self

    def owned(self) -> int:
        """How many partitions it has; 0 while it does not answer."""
        return int(self.metric("sentiment_assigned_partitions")) if self.get("/readyz")[0] else 0

    def command_line(self) -> str:
        """What every user of the machine can see of it."""
        return Path(f"/proc/{self._process.pid}/cmdline").read_text()

    def reload(self) -> None:
        """Ask it to take up the model that is in its place now."""
        self._process.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        """Ask it to stop, as an orchestrator does."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, frozen or not, and wait until it is gone. Does nothing when it is."""
        self._process.kill()
        self._process.wait(EXIT_LIMIT_S)

    def freeze(self) -> None:
        """Let it do nothing, not even send heartbeats."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def exit_status(self, limit_s: float = EXIT_LIMIT_S) -> int:
        """Wait until it has ended by itself."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker has not ended within {limit_s:g} s") from None

    def stop(self) -> int:
        """Ask it to stop and wait; its exit status."""
        self.terminate()
        return self.exit_status()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; status 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=ANSWER_LIMIT_S) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (OSError, HTTPException):
            return 0, ""

    def families(self) -> list[Metric]:
        """Everything on /metrics."""
        status, page = self.get("/metrics")
        assert status == 200, f"/metrics answered with status {status}"
        return list(text_string_to_metric_families(page))

    def metric(self, name: str, /, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        samples = (sample for family in self.families() for sample in family.samples)
        return sum(
            sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def log_tail(self) -> str:
        """The last lines of it."""
        return f"{self._log.name} ends:\n" + "\n".join(self.log().splitlines()[-TAIL_LINES:])


def set_environment(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """Let this process have these settings in its environment, and no others."""
    for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"SENTIMENT_{name.upper()}", str(value))


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The machine's environment, without the worker settings of the user who runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SENTIMENT_")}
    return inherited | {f"SENTIMENT_{name.upper()}": str(value) for name, value in settings.items()}
