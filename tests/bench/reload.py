"""`python -m tests.bench.reload --write`: what a reload under load costs: is a result lost, and how late are they?

The shipped model at half of what the worker can do on this machine, measured first. In the middle SIGHUP has it read,
warmed up and tested once more beside the one that scores, which it then replaces. A round without a reload follows each
with one: what the machine does by itself.
"""

import argparse
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.demo.sample import SAMPLE
from deploy.kafka.launcher import choose_broker, to_stderr
from model.artifacts import DEFAULT_ARTIFACT
from tests.bench.latency import send_on_time
from tests.bench.page import PAGE, markdown_table
from tests.bench.parts import Bench, has, limit_s, worker_rate
from tests.bench.processes import BenchFailed, worker_process
from tests.bench.schedule import arrivals_s
from tests.bench.subjects import SHIPPED, Subject
from tests.bench.texts import load_texts
from tests.bench.topics import Topics
from tests.support.section import Section
from tests.support.until import until
from worker.commands.bench.figures import Spread, percentile
from worker.commands.bench.machine import machine_facts

SECTION: Final = Section(PAGE, "reload", "python -m tests.bench.reload --write")
LOAD: Final = 0.5
SETTLE_S: Final = 5.0  # at the start, not looked at
BEFORE_S: Final = 10.0  # from then on until the reload
AFTER_S: Final = 20.0
NEAR_S: Final = 5.0  # so long the reload may be felt
TIMES: Final = 2.0  # and by less than this
SEED: Final = 11

Rise = dict[str, float]  # what a reload did to the latency, by what is said of it


def rise(due_s: Sequence[float], waits_s: Sequence[float], reload_s: float) -> Rise:
    """Compare the reviews that were due before the reload with those after it; times from the start of the load."""

    def p99_ms(from_s: float, until_s: float) -> float:
        waits = [wait for due, wait in zip(due_s, waits_s, strict=True) if from_s <= due < until_s]
        return 1000 * percentile(waits, 99) if waits else 0.0

    end_s = reload_s + AFTER_S
    before = p99_ms(reload_s - BEFORE_S, reload_s)
    near, after = p99_ms(reload_s, reload_s + NEAR_S), p99_ms(reload_s + NEAR_S, end_s)
    seconds = [p99_ms(reload_s + second, reload_s + second + 1) for second in range(int(AFTER_S))]
    return {
        "p99, 10 s before the signal, ms": before,
        "p99, first 5 s after the signal, ms": near,
        "p99, the 15 s after those, ms": after,
        "first 5 s / before": near / before,
        "the 15 s after those / before": after / before,
        "seconds after the signal with a p99 of 2 times that before, or more": float(
            sum(one >= TIMES * before for one in seconds)
        ),
    }


def main() -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reload", description="What a reload under load costs.")
    parser.add_argument("--rounds", type=int, default=3, help="with a reload, and as many without (default: 3)")
    parser.add_argument("--rate", type=float, help="reviews/s (default: half of what is measured first)")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    parser.add_argument("--write", action="store_true", help=f"the table into {PAGE.name}")
    given = parser.parse_args()
    busy = os.getloadavg()[0]
    with (
        choose_broker(given.bootstrap_servers) as broker,
        Topics(broker.address) as topics,
        TemporaryDirectory(prefix="sentiment-") as directory,
    ):
        to_stderr(broker.description)
        bench = Bench(topics, SAMPLE)
        rate_per_s = given.rate or LOAD * worker_rate(bench, Subject(SHIPPED, DEFAULT_ARTIFACT))
        rounds: dict[str, list[Rise]] = {"with a reload": [], "without": []}
        for number in range(1, given.rounds + 1):
            for kind, rises in rounds.items():
                rises.append(measure(bench, rate_per_s, Path(directory), reloads=kind == "with a reload"))
                to_stderr(f"round {number}, {kind}: {rises[-1]}")
    text = table(rounds, rate_per_s, busy)
    sys.stdout.write(text)
    if given.write:
        SECTION.write(text)
    return 0


def measure(bench: Bench, rate_per_s: float, directory: Path, *, reloads: bool) -> Rise:
    """One load on one worker. Raises BenchFailed where a result is missing or there twice."""
    reload_s = SETTLE_S + BEFORE_S
    due_s = arrivals_s(rate_per_s, round(rate_per_s * (reload_s + AFTER_S)), seed=SEED)
    texts = load_texts(bench.data, len(due_s))
    settings = bench.topics.for_worker()
    output = settings["output_topic"]
    with worker_process(directory / f"{output}.log", **settings) as worker, ExitStack() as stack:
        signal = threading.Timer(reload_s, worker.reload)
        stack.callback(signal.cancel)
        worker.until_ready()
        with bench.topics.arrivals(output) as seen:
            if reloads:
                signal.start()
            sent = send_on_time(bench.topics, settings["input_topic"], texts, due_s, 0)
            until(partial(has, seen, len(due_s)), limit_s(len(due_s)), "all results are there")
        if worker.metric("sentiment_model_reloads_total", result="done") != reloads:
            raise BenchFailed(f"the model was not changed: {worker.log_tail()}")
        if reloads:
            after_s = took_over_s(worker.log(), sent.began_s + reload_s)
            to_stderr(f"the next model took over {after_s:.1f} s after the signal")
    bench.topics.stamps_ms(output, len(due_s))
    return rise(due_s, sent.waits_s(seen), reload_s)


def took_over_s(log: str, signalled_s: float) -> float:
    """When the log says that the model changed, in seconds after a moment of the monotonic clock."""
    [at] = re.findall(r'"time": "([^"]+)".*"model changed"', log)
    return datetime.fromisoformat(at).timestamp() - (time.time() - time.monotonic() + signalled_s)


def table(rounds: dict[str, list[Rise]], rate_per_s: float, busy: float) -> str:
    """Markdown of all rounds."""
    machine = machine_facts()
    day, where = f"{datetime.now(UTC):%Y-%m-%d}", f"{machine['cores']} cores of {machine['cpu']}"
    lines = [
        f"Run on {day}, {where}, load average before {busy:.1f}; {rate_per_s:,.0f} reviews/s.",
        f"{len(rounds['without'])} rounds each, median (minimum to maximum).",
        "No result was lost or duplicated.",
        "",
    ]
    spreads = [
        [label, *(str(Spread.of([one[label] for one in rises])) for rises in rounds.values())]
        for label in rounds["without"][0]
    ]
    return "\n".join([*lines, *markdown_table(["", *rounds], spreads), ""])


if __name__ == "__main__":
    sys.exit(main())
