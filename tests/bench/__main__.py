"""`python -m tests.bench`: how fast, how late and how large, on a real broker. See docs/performance.md."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from deploy.demo.sample import SAMPLE
from deploy.kafka.broker import LauncherError
from deploy.kafka.launcher import choose_broker, to_stderr
from model.artifacts import DEFAULT_ARTIFACT
from tests.bench.counts import MEMORY_REVIEWS, REVIEWS, Counts
from tests.bench.figures import PEERS, NotMeasurable
from tests.bench.parts import Bench, memory
from tests.bench.peers.contest import installed
from tests.bench.plot import plot_latency
from tests.bench.processes import BenchFailed
from tests.bench.report import Report
from tests.bench.rounds import MEMORY, PARTS, completed, measure_rounds
from tests.bench.subjects import SHIPPED, Subject, reference_subject
from tests.bench.topics import Topics
from tests.support.machine import is_busy, usable_cores
from worker.broker.clients import CLIENTS
from worker.commands.bench.machine import machine_facts


def main() -> int:
    """Run the command line; the exit status."""
    arguments = _arguments(sys.argv[1:])
    # As Ctrl-C: leave through the context managers, which end what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = measure(arguments)
    except KeyboardInterrupt:
        to_stderr("interrupted; what was started has been ended")
        return 130
    except (BenchFailed, LauncherError, NotMeasurable) as error:
        to_stderr(f"error: {error}")
        return 1
    Console().print(report.to_tables())
    if arguments.out:
        arguments.out.write_text(json.dumps(report.to_json(), indent=1) + "\n")
        to_stderr(f"saved to {arguments.out}")
        if plot_latency(report.summary, picture := arguments.out.with_suffix(".svg")):
            to_stderr(f"drawn in {picture}")
    return 0


def measure(arguments: argparse.Namespace) -> Report:
    """Everything asked for, on one broker."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    machine = machine_facts()
    if is_busy(os.getloadavg()[0], usable_cores()):
        to_stderr("this machine is busy: trust the ratios within a round more than single figures")
    if "peers" in arguments.only and (absent := set(PEERS) - set(installed())):
        to_stderr(f"left out, since `make peers` has not installed them: {', '.join(sorted(absent))}")
    with (
        choose_broker(arguments.bootstrap_servers) as broker,
        Topics(broker.address) as topics,
        TemporaryDirectory(prefix="sentiment-bench-") as directory,
    ):
        to_stderr(broker.description)
        bench = Bench(topics, arguments.data, Counts(arguments.reviews))
        shipped = Subject(SHIPPED, arguments.artifact)
        reference = reference_subject(Path(directory) / "reference", arguments.data)
        wanted = arguments.only - {MEMORY}
        rounds = arguments.rounds if wanted else 0
        subjects = [shipped, reference, *(Subject(client, client=client) for client in CLIENTS)]
        measured = measure_rounds(bench, subjects, wanted=wanted, rounds=rounds, tell=to_stderr)
        samples = []
        if MEMORY in arguments.only:
            to_stderr(f"memory over {MEMORY_REVIEWS:,} reviews")
            samples = memory(bench, shipped)
        return Report(started, machine, broker.description, arguments.reviews, measured, samples)


def _arguments(command_line: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the worker on a real broker.")
    parser.add_argument(
        "--reviews",
        type=int,
        default=REVIEWS,
        help="end to end; those of the other parts follow (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file to save everything to, as JSON")
    parser.add_argument("--only", type=_parts, default=frozenset(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument(
        "--data", type=_file, default=str(SAMPLE), help="reviews, .jsonl or .jsonl.xz with a field `text`"
    )
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT, help="instead of the one that ships")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    return parser.parse_args(command_line)


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{path}: there is no such file")
    return Path(path)


def _parts(listed: str) -> frozenset[str]:
    unknown = set(listed.split(",")) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(PARTS)}")
    return completed(listed.split(","))


if __name__ == "__main__":
    sys.exit(main())
