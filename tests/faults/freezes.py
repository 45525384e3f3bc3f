"""`python -m tests.faults.freezes`: freeze a broker again and again under exactly-once workers, until a result repeats.

For KAFKA-20734, see docs/guarantees.md: it takes a broker that loses its leadership while it stands still, so a short
session. With a long one nothing may be found.
"""

import argparse
import random
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.kafka.launcher import choose_broker, to_stderr
from deploy.kafka.properties import Extras
from tests.support.kafka_io import new_topics
from tests.support.stage import LONG, Stage, save_tiny_artifact
from tests.support.traffic import reviews
from tests.support.until import let_pass

REVIEWS = 300  # for each worker before each freeze
TRANSACTION_MS = 2_000
FREEZE_S = (3.0, 3.6)  # just over it, so that the worker is taking its place again when the broker goes on
RETURN_LIMIT_S = 120.0


def main() -> int:
    """Run the command line; the exit status: 1 when a result was read twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.freezes", description="Freeze a broker, many times.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--session-ms", type=int, default=1_500, help="broker.session.timeout.ms (default: 1500)")
    parser.add_argument("--kind", choices=("docker", "local"), help="how the broker runs (default: what there is)")
    given = parser.parse_args()
    session = {"broker.session.timeout.ms": str(given.session_ms), "broker.heartbeat.interval.ms": "500"}
    settings = {
        "delivery": "exactly_once",
        "delivery_timeout_ms": TRANSACTION_MS,
        "transaction_timeout_ms": TRANSACTION_MS,
    }
    with (
        TemporaryDirectory() as place,
        choose_broker(kind=given.kind, extras=Extras(settings=session)) as broker,
        ExitStack() as open_,
    ):
        directory = Path(place)
        model = save_tiny_artifact(directory / "tiny")
        made = (
            Stage(broker.address, new_topics(broker.address), directory, model=model, **settings)
            for _ in range(given.workers)
        )
        stages = [open_.enter_context(stage) for stage in made]
        for worker in [stage.start() for stage in stages]:
            worker.until_ready()
        for number in range(1, given.rounds + 1):
            for stage in stages:
                stage.traffic.send(islice(reviews(seed=number, words=LONG), REVIEWS))
            for stage in stages:
                stage.traffic.until_answered(len(stage.traffic.inputs) - REVIEWS + 50)
            broker.pause()
            let_pass(random.uniform(*FREEZE_S))
            broker.resume()
            for stage in stages:
                stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
            repeated = [len(faults) for stage in stages if (faults := stage.faults_so_far())]
            to_stderr(
                f"{number * given.workers} freezes of a worker's broker, results read twice: {repeated or 'none'}"
            )
            if repeated:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
