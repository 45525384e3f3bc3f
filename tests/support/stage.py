"""Everything that one scenario needs: topics, a group, numbered traffic, and as many workers as it starts.

The fixtures are for the folders whose tests run the real worker on a real broker; their conftest.py imports them.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from deploy.kafka.broker import Broker
from model.artifact import save_artifact
from model.artifact_parts import Calibration
from model.network import BiLstmClassifier
from model.network_config import NetworkConfig
from model.networks import weights_of
from model.tokenizer import WordTokenizer
from tests.support.broken_engine import NOT_A_NUMBER, WRONG
from tests.support.kafka_io import Topics, committed_offsets, new_topics
from tests.support.oracle import Beginning, History, Kill, Offsets, ends_of, faults, faults_so_far
from tests.support.strained import SLOW
from tests.support.traffic import WORDS, Traffic, reviews
from tests.support.worker_process import WorkerProcess
from worker.broker.clients import ClientName

SESSION_TIMEOUT_MS = 6_000  # the least that a broker allows by default
COMMIT_INTERVAL_MS = 200
UNCOMMITTED_S = COMMIT_INTERVAL_MS / 1000 + 1.0  # with what a commit may take on a busy machine
LONG = 300  # words: with an engine of one thread, so many reviews take seconds
REVIEWS = 3000


class Stage:
    """Topics of its own on one broker; what was started on it is gone at the end of `with`."""

    def __init__(self, address: str, topics: Topics, directory: Path, **settings: object) -> None:
        self.address = address
        self.topics = topics
        self.group = f"group-of-{topics.input}"
        self._directory = directory
        self._settings = settings
        self._workers: list[WorkerProcess] = []
        self._open = ExitStack()
        self.traffic = Traffic(address, topics)
        self._open.callback(self.traffic.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        for worker in self._workers:
            sys.stderr.write(f"{worker.log_tail()}\n")  # pytest shows it where a test failed

    def start(self, *module: str, until_empty: bool = False, **settings: object) -> WorkerProcess:
        """Start one more worker on these topics, quick to notice and to commit; `module`: see WorkerProcess."""
        defaults: dict[str, object] = {
            "bootstrap_servers": self.address,
            "input_topic": self.topics.input,
            "output_topic": self.topics.output,
            "dlq_topic": self.topics.dlq,
            "group_id": self.group,
            "session_timeout_ms": SESSION_TIMEOUT_MS,
            "commit_interval_ms": COMMIT_INTERVAL_MS,
            "threads": 1,
        }
        log = self._directory / f"{self.topics.input}-worker-{len(self._workers) + 1}.log"
        worker = WorkerProcess(log, *module, until_empty=until_empty, **defaults | self._settings | settings)
        self._workers.append(worker)
        self._open.callback(worker.kill)
        return worker

    def busy(self, *, count: int = REVIEWS, answered: int = 300, **settings: Any) -> WorkerProcess:
        """Start a worker and wait until it is in the middle of its work: so many are `answered`, and not all.

        With a slow engine: another would be done before it could be interrupted.
        """
        worker = self.start(*SLOW, **settings)
        self.traffic.send(islice(reviews(seed=1), count))
        self.traffic.until_answered(answered)
        assert self.traffic.answered() < count, "it was too quick: there is nothing left to be interrupted"
        return worker

    def committed(self) -> Offsets:
        """Where the group would go on now."""
        return committed_offsets(self.address, self.group, self.topics.input)

    def kill(self, worker: WorkerProcess, *, uncommitted_s: float = UNCOMMITTED_S) -> Kill:
        """Kill a worker, and see what it leaves: no result may be older, and not committed."""
        at_s = time.monotonic()
        worker.kill()
        committed = self.committed()
        self.traffic.read_to_end()
        return Kill(committed, len(self.traffic.results), at_s, uncommitted_s)

    def all_committed(self) -> bool:
        """Whether the group would go on at the end."""
        return self.committed() == ends_of(self.traffic.inputs)

    def history(self) -> History:
        """All that can be seen now."""
        committed = self.committed()
        self.traffic.read_to_end()
        return History(self.traffic.inputs, self.traffic.results, committed)

    def faults(self, *, begun_again: Iterable[Beginning] = (), keeps_partition: bool = True) -> list[str]:
        """What is wrong with the run now that it is over."""
        return faults(self.history(), begun_again=begun_again, keeps_partition=keeps_partition)

    def faults_so_far(self, *, begun_again: Iterable[Beginning] = ()) -> list[str]:
        """What is wrong already, while it goes on."""
        return list(faults_so_far(self.history(), begun_again=begun_again))


MakeStage = Callable[..., Stage]


def save_tiny_artifact(directory: Path, version: str = "1") -> Path:
    """A model that is quick and knows nothing: enough wherever only the way of a review matters."""
    tokenizer = WordTokenizer((*WORDS, *WRONG, NOT_A_NUMBER))
    network = NetworkConfig(vocab_size=tokenizer.vocab_size, embedding_dim=8, hidden_dim=16)
    save_artifact(
        directory,
        name="tiny",
        version=version,
        network=network,
        weights=weights_of(BiLstmClassifier(network)),
        tokenizer=tokenizer,
        calibration=Calibration(),
        card="Random weights, for tests.\n",
    )
    return directory


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See save_tiny_artifact."""
    return save_tiny_artifact(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def make_stage(tiny_artifact: Path, tmp_path: Path, client: ClientName) -> Iterator[MakeStage]:
    """`make_stage(address)` sets one on any broker; settings given are for all its workers."""
    defaults: dict[str, object] = {"model": tiny_artifact, "client": client}
    with ExitStack() as stages:

        def make(address: str, topics: Topics | None = None, **settings: object) -> Stage:
            on = topics or new_topics(address)
            return stages.enter_context(Stage(address, on, tmp_path, **defaults | settings))

        yield make


@pytest.fixture
def stage(broker: Broker, make_stage: MakeStage) -> Stage:
    """A stage with four partitions on the broker that all tests share."""
    return make_stage(broker.address)
