"""`python -m tests.bench.startup`: from the start of the process until it scores reviews, with each engine.

The engines take turns, so that a machine that changes its pace changes all of them. The processor's time shows what the
start costs where others use the machine, too.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from deploy.kafka.launcher import choose_broker, to_stderr
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.engines.choice import AUTO, ENGINES
from model.errors import EngineUnavailable
from tests.bench.processes import worker_process
from tests.bench.topics import Topics
from worker.commands.bench.figures import Spread


class Start(NamedTuple):
    """What one start took."""

    seconds: float
    processor_seconds: float  # of all threads


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is started (default: %(default)s)")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    arguments = parser.parse_args()
    engines = [engine for engine in ENGINES if engine != AUTO and _can_be_had(engine)]
    starts: dict[str, list[Start]] = {engine: [] for engine in engines}
    with (
        choose_broker(arguments.bootstrap_servers) as broker,
        Topics(broker.address) as topics,
        TemporaryDirectory(prefix="sentiment-bench-") as directory,
    ):
        to_stderr(broker.description)
        for number in range(arguments.rounds):
            for engine in engines:
                starts[engine].append(start_until_ready(topics, Path(directory), engine))
            to_stderr(f"round {number + 1} of {arguments.rounds}")
    table = Table("engine", "seconds to ready", "processor's seconds")
    for engine, found in starts.items():
        table.add_row(engine, *(str(Spread.of(column)) for column in zip(*found, strict=True)))
    Console().print(table)


def start_until_ready(topics: Topics, directory: Path, engine: str) -> Start:
    """Start a worker in a group of its own and wait until /readyz says 200."""
    settings = topics.for_worker()
    began_s = time.perf_counter()
    with worker_process(directory / "worker.log", **settings, engine=engine, device="cpu") as worker:
        worker.until_ready()
        return Start(time.perf_counter() - began_s, _processor_seconds(worker.pid))


def _can_be_had(engine: str) -> bool:
    try:
        load_predictor(DEFAULT_ARTIFACT, engine=engine, device="cpu")
    except EngineUnavailable as error:
        to_stderr(f"left out: {error}")
        return False
    return True


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
