"""`python -m tests.soak`: whether a worker that runs for long stays as it is. See docs/guarantees.md."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.demo.sample import read_sample
from deploy.kafka.launcher import choose_broker, to_stderr
from model.artifacts import DEFAULT_ARTIFACT
from tests.soak.load import PARTITIONS, records
from tests.soak.report import plot, summary, table, to_json
from tests.soak.run import Soak, everything_on, soak
from tests.soak.verdict import growths
from tests.support.collector import collector
from tests.support.kafka_io import new_topics
from tests.support.stage import Stage
from worker.commands.bench.machine import machine_facts

TELL_EVERY = 60  # samples


def main() -> int:
    """Run the command line; the exit status: 1 when something grew, or the oracle found a fault."""
    arguments = _arguments()
    facts = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine_facts()}
    with (
        choose_broker() as broker,
        collector() as traces,
        TemporaryDirectory(prefix="sentiment-soak-") as directory,
    ):
        to_stderr(broker.description)
        topics = new_topics(broker.address, partitions=PARTITIONS)
        settings = everything_on(DEFAULT_ARTIFACT, traces) | {"delivery": arguments.delivery}
        with Stage(broker.address, topics, Path(directory), **settings) as stage:
            seen = soak(
                stage,
                records([review.text for review in read_sample()], seed=arguments.seed),
                duration_s=arguments.minutes * 60,
                change_every_s=60,
                peak_per_s=arguments.peak,
                tell=_tell,
            )
    found = list(growths(seen.samples))
    sys.stdout.write(f"{summary(seen)}\n\n{table(found)}\n")
    for fault in seen.faults:
        to_stderr(f"fault: {fault}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "soak.json").write_text(json.dumps(to_json(seen, found, facts), indent=1) + "\n")
    plot(seen, arguments.out / "soak.png")
    to_stderr(f"saved to {arguments.out}")
    return int(bool(seen.faults) or not all(one.allowed for one in found))


def _tell(seen: Soak) -> None:
    if len(seen.progress) % TELL_EVERY == 0:
        at_s, sent, answered = seen.progress[-1]
        memory = ", ".join(f"{name} {taken[-1].memory_mib:.0f} MiB" for name, taken in seen.samples.items())
        to_stderr(f"{at_s / 60:.0f} min: {sent:,} sent, {answered:,} answered, {memory}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Load a group of workers for long.")
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: %(default)s)")
    parser.add_argument("--peak", type=float, default=300, help="most records a second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the reviews (default: %(default)s)")
    parser.add_argument("--delivery", choices=["at_least_once", "exactly_once"], default="at_least_once")
    parser.add_argument("--out", type=Path, default=Path("var/soak"), help="directory for soak.json and soak.png")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
