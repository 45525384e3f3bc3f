"""`make demo` on somebody else's broker says how the run ended, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaAdminClient

from deploy.kafka.broker import Broker
from tests.support.until import until
from tests.support.worker_process import environment

pytestmark = pytest.mark.broker

ROOT: Final = Path(__file__).parents[2]
RUN_LIMIT_S: Final = 120.0
END_LIMIT_S: Final = 60.0  # to end a worker that may be anywhere, and to delete topics
FEW: Final = 200
LEAST_ACCURACY: Final = (
    85  # per cent; the worst of the models that may ship has 88, of 200 reviews one in ten samples less
)
MORE_THAN_IT_CAN: Final = 100_000  # before a test has looked


class Demo:
    """The demo as a process of its own, without a terminal."""

    def __init__(self, address: str, output: Path, *, reviews: int, **settings: object) -> None:
        self._output = output
        with output.open("wb") as stdout:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker", "demo", f"--reviews={reviews}", f"--bootstrap-servers={address}"],
                cwd=output.parent,  # where its user is, far from the checkout
                env=environment(settings) | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},  # a row of the summary a line
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(errors="replace")

    def until_it_says(self, pattern: str) -> re.Match[str]:
        """Wait for a line that begins so."""
        return until(lambda: self._looked_for(pattern), RUN_LIMIT_S, f"the demo says {pattern!r}")

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def exit_status(self, limit_s: float = RUN_LIMIT_S) -> int:
        """Wait until it has ended by itself."""
        return self._process.wait(limit_s)

    def kill(self) -> None:
        """End it at once; does nothing when it has ended."""
        self._process.kill()
        self._process.wait()

    @property
    def topics(self) -> set[str]:
        """The topics that it made."""
        found = self.until_it_says("topics: (.*); 4 partitions each")
        return set(found[1].split(", "))

    def worker(self) -> int:
        """Process number of the worker that it started."""
        workers = [
            int(number)
            for number, parent, command in (line.split(maxsplit=2) for line in _processes())
            if int(parent) == self._process.pid and "-m worker run" in command
        ]
        assert len(workers) == 1, f"{workers} are its workers"
        return workers[0]

    def _looked_for(self, pattern: str) -> re.Match[str] | None:
        ended = self._process.poll() is not None  # asked first: what it says at its end must not be missed
        found = re.search(f"^{pattern}", self.said(), re.MULTILINE)
        assert found or not ended, f"the demo ended without {pattern!r}; it said:\n{self.said()}"
        return found


StartDemo = Callable[..., Demo]


@pytest.fixture
def start_demo(broker: Broker, tmp_path: Path) -> Iterator[StartDemo]:
    """`start_demo(reviews=60, model="a/directory")` starts one on the broker that all tests share."""
    with ExitStack() as started:

        def start(*, reviews: int, **settings: object) -> Demo:
            demo = Demo(broker.address, tmp_path / "demo.txt", reviews=reviews, **settings)
            started.callback(demo.kill)
            return demo

        yield start


def _processes() -> list[str]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)  # noqa: S607  # wherever the system has it
    return listed.stdout.splitlines()


def _is_running(number: int) -> bool:
    return any(int(line.split(maxsplit=1)[0]) == number for line in _processes())


def _topics(address: str) -> set[str]:
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        return set(admin.list_topics())


def _until_deleted(address: str, topics: set[str]) -> None:
    until(lambda: not topics & _topics(address), END_LIMIT_S, f"{topics} are deleted")


def test_a_run_that_loses_and_repeats_nothing_says_so_and_deletes_its_topics(
    broker: Broker, start_demo: StartDemo
) -> None:
    demo = start_demo(reviews=FEW)
    assert demo.exit_status() == 0, demo.said()
    summary = dict(re.findall(r"^│ (\S.*?) +│ (.*?) +│$", demo.said(), re.MULTILINE))
    counts = {"reviews in": str(FEW), "reviews out": str(FEW), "lost": "0", "duplicated": "0", "dead letters": "0"}
    assert {name: summary[name] for name in counts} == counts
    assert float(summary["accuracy"].partition("%")[0]) > LEAST_ACCURACY
    assert demo.said().splitlines()[-1].startswith("OK: nothing lost, nothing duplicated")
    assert "FAILED" not in demo.said()
    assert len(demo.topics) == 3
    _until_deleted(broker.address, demo.topics)


def test_ctrl_c_while_reviews_flow_ends_with_130_and_leaves_neither_topics_nor_a_worker(
    broker: Broker, start_demo: StartDemo
) -> None:
    demo = start_demo(reviews=MORE_THAN_IT_CAN)
    demo.until_it_says(r"[1-9][\d,]* of 100,000 reviews scored")
    worker = demo.worker()
    assert demo.topics <= _topics(broker.address)
    demo.interrupt()
    assert demo.exit_status(END_LIMIT_S) == 130
    assert not _is_running(worker)
    assert demo.said().splitlines()[-1].startswith("interrupted:")
    assert "Traceback" not in demo.said()
    _until_deleted(broker.address, demo.topics)


def test_a_worker_that_cannot_start_is_one_failure_with_its_reason_and_status_1(
    broker: Broker, start_demo: StartDemo
) -> None:
    demo = start_demo(reviews=FEW, model="no-model")
    assert demo.exit_status() == 1
    demo.until_it_says("FAILED: the worker could not start: it ended with status 6")
    assert "no-model: there is no such directory" in demo.said()
    assert demo.said().count("FAILED") == 1
    assert "Traceback" not in demo.said()
    _until_deleted(broker.address, demo.topics)


def test_a_worker_that_is_killed_while_reviews_flow_fails_the_demo_which_cleans_up(
    broker: Broker, start_demo: StartDemo
) -> None:
    demo = start_demo(reviews=MORE_THAN_IT_CAN)
    demo.until_it_says(r"[1-9][\d,]* of 100,000 reviews scored")
    os.kill(demo.worker(), signal.SIGKILL)
    assert demo.exit_status(END_LIMIT_S) == 1
    demo.until_it_says(r"FAILED: before its work was done the worker was ended by signal 9 \(Killed\)")
    assert demo.said().count("FAILED") == 1
    _until_deleted(broker.address, demo.topics)
