"""`python -m tests.bench.batching`: what settings of the batcher are worth at saturation, against each other.

A topic is filled, then the worker that ships empties it under each set of settings, in turn, round after round: a
machine that changes its pace changes all of them. `--variant max_batch_reviews=64,linger_ms=5` adds a set; without any,
fixed sizes of batches are compared with a latency target, whose ratio to the best of them is the last line.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.demo.sample import SAMPLE
from deploy.kafka.launcher import choose_broker, to_stderr
from model.artifacts import DEFAULT_ARTIFACT
from tests.bench.counts import REVIEWS, Counts
from tests.bench.parts import Bench, worker_rate
from tests.bench.subjects import SHIPPED, Subject
from tests.bench.topics import Topics
from worker.commands.bench.figures import Spread
from worker.settings.schema import flag_name

FIXED: Final = ("max_batch_reviews=64", "max_batch_reviews=128", "max_batch_reviews=256", "max_batch_reviews=512")
ADAPTIVE: Final = "target_p99_ms=250"


def main() -> int:
    """Measure, and print the spread of each variant and its ratio to the best of the others, within rounds."""
    arguments = _arguments(sys.argv[1:])
    variants = arguments.variant or [*FIXED, ADAPTIVE]
    subject = Subject(SHIPPED, DEFAULT_ARTIFACT)
    rates: dict[str, list[float]] = {variant: [] for variant in variants}
    with choose_broker(arguments.bootstrap_servers) as broker, Topics(broker.address) as topics:
        to_stderr(f"{broker.description}; load of the machine {os.getloadavg()[0]:.1f}")
        bench = Bench(topics, arguments.data, Counts(arguments.reviews))
        for number in range(1, arguments.rounds + 1):
            for variant in variants:
                rates[variant].append(worker_rate(bench, subject, *_flags(variant)))
                to_stderr(f"round {number}, {variant}: {rates[variant][-1]:,.0f} reviews/s")
    for variant in variants:
        sys.stdout.write(f"{variant}: {Spread.of(rates[variant])} reviews/s\n")
    best = max(variants[:-1], key=lambda variant: Spread.of(rates[variant]).median)
    ratios = [one / other for one, other in zip(rates[variants[-1]], rates[best], strict=True)]
    sys.stdout.write(f"{variants[-1]} / {best}: {Spread.of(ratios)}\n")
    return 0


def _flags(variant: str) -> list[str]:
    settings = (setting.split("=", 1) for setting in variant.split(","))
    return [part for name, value in settings for part in (flag_name(name), value)]


def _arguments(command_line: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batching", description="Batches at saturation.")
    parser.add_argument("--variant", action="append", metavar="NAME=VALUE,...", help="settings of one of the workers")
    parser.add_argument("--reviews", type=int, default=REVIEWS, help="on the topic (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="reviews, .jsonl or .jsonl.xz with a field `text`")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    return parser.parse_args(command_line)


if __name__ == "__main__":
    sys.exit(main())
