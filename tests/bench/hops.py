"""`python -m tests.bench.hops`: where the worker's processor time goes. Flame graphs, and the cost of a review by hop.

The worker is sampled by py-spy on a filled topic around a simulated accelerator, which leaves what the pipeline costs:
the share of a hop in the samples, times the processor time of a review. Only threads that hold the interpreter's lock
count: the others wait, or py-spy cannot count. What the model costs is measured beside it, without Kafka.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.demo.sample import SAMPLE
from deploy.kafka.broker import LauncherError
from deploy.kafka.launcher import choose_broker, to_stderr
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from tests.bench.page import PAGE, markdown_table
from tests.bench.parts import Bench, carrier, limit_s
from tests.bench.processes import ROOT, BenchFailed, run_program
from tests.bench.texts import load_texts
from tests.bench.topics import Topics
from tests.support.section import Section
from worker.broker.clients import CLIENTS, ClientName
from worker.commands.bench.figures import Spread
from worker.commands.bench.machine import machine_facts

Costs = dict[str, float]  # processor time of a review, us, by hop

SAMPLES_PER_S: Final = 200
FLAMES: Final = ROOT / "var" / "flames"
OTHER: Final = "the loop itself"
ALL: Final = "**pipeline, total**"
SECTION: Final = Section(PAGE, "hops", "python -m tests.bench.hops --write")
# A stack belongs to the first hop that one of its frames names. Frames are written as "function (file:line)".
HOPS: Final[Mapping[str, Sequence[str]]] = {
    "metrics": ("(worker/monitoring/metrics.py",),
    "decode": ("decode_review (",),
    "result: built and encoded": ("Outcomes.scored (",),
    "commit": ("Source.commit (",),
    "produce: sink": ("ClientSink.send (",),
    "produce: receipts": ("ConfluentSink._poll (",),
    "produce: client thread": ("(kafka/producer/sender.py",),
    "read": ("Source.poll (",),
    "admit: the rest": ("Worker._admit (",),
    "batch": ("Worker._dispatch (",),
    "inference threads": ("PredictorThreads._run (",),
    "acknowledged: offsets, budget": ("AtLeastOnce.settle (", "InFlight._finish ("),
    "results: received and ordered": ("Worker._take_over (",),
    "client network I/O": ("(kafka/net/",),
}
STARTED: Final = "Worker.turn ("
MAIN: Final = "<module> ("


def main() -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hops", description=__doc__)
    parser.add_argument("--reviews", type=int, default=2000, help="with the model; 20 times as many without")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: %(default)s)")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    arguments = parser.parse_args()
    machine = machine_facts()
    try:
        with choose_broker(arguments.bootstrap_servers) as broker, Topics(broker.address) as topics:
            bench = Bench(topics, SAMPLE)
            texts = load_texts(bench.data, arguments.reviews)
            rounds: dict[str, list[Costs]] = {client: [] for client in CLIENTS}
            for _ in range(arguments.rounds):
                for client in CLIENTS:
                    costs_us = _pipeline_us(bench, 20 * arguments.reviews, client) | _model_us(texts)
                    rounds[client].append(costs_us)
            for client in CLIENTS:
                _flame(bench, 20 * arguments.reviews, client, None)
                _flame(bench, arguments.reviews, client, DEFAULT_ARTIFACT)
    except KeyboardInterrupt:
        return 130
    except (BenchFailed, LauncherError) as error:
        to_stderr(f"error: {error}")
        return 1
    written = table(rounds, f"{datetime.now(UTC):%Y-%m-%d}", machine)
    sys.stdout.write(written)
    if arguments.write:
        SECTION.write(written)
    return 0


def shares(stacks: Iterable[str]) -> dict[str, float]:
    """Of each hop, in the order of HOPS; `stacks` are py-spy's, "frame;frame;... samples". Start-up is left out."""
    samples: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        if MAIN not in stack or STARTED in stack:
            samples[hop_of(stack)] += int(count)
    total = samples.total() or 1
    return {hop: samples[hop] / total for hop in (*HOPS, OTHER)}


def hop_of(stack: str) -> str:
    """The hop that a stack was caught in."""
    return next((hop for hop, frames in HOPS.items() if any(frame in stack for frame in frames)), OTHER)


def table(rounds: Mapping[str, Sequence[Costs]], day: str, machine: Mapping[str, object]) -> str:
    """Markdown: a row a hop, a column a client."""
    [first, *_] = rounds.values()
    where = f"Run on {day}, {machine['cores']} cores of {machine['cpu']}; {len(first)} rounds."
    lines = [
        [hop, *(str(Spread.of([costs_us[hop] for costs_us in each])) for each in rounds.values())] for hop in first[0]
    ]
    return "\n".join([where, "", *markdown_table(["hop", *rounds], lines), ""])


def _pipeline_us(bench: Bench, reviews: int, client: ClientName) -> Costs:
    """By hop, and their sum."""
    with TemporaryDirectory() as directory:
        stacks = Path(directory) / "stacks"
        answer = _profile(bench, reviews, client, None, ["--format", "raw", "--output", str(stacks)])
        found = shares(stacks.read_text().splitlines())
    a_review_us = answer["processor_s"] / reviews * 1e6
    return {**{hop: share * a_review_us for hop, share in found.items()}, ALL: a_review_us}


def _model_us(texts: Sequence[str]) -> Costs:
    """What a review costs in the shipped model, all threads together."""
    predictor = load_predictor(DEFAULT_ARTIFACT)
    predictor.warm_up()
    began_s = time.process_time()
    rows = predictor.tokenize(texts)
    tokenized_s = time.process_time()
    predictor.predict(rows)
    return {
        "separately: tokenizer, shipped model": (tokenized_s - began_s) / len(texts) * 1e6,
        "separately: engine, shipped model": (time.process_time() - tokenized_s) / len(texts) * 1e6,
    }


def _flame(bench: Bench, reviews: int, client: ClientName, artifact: Path | None) -> None:
    FLAMES.mkdir(parents=True, exist_ok=True)
    picture = FLAMES / f"{'simulated' if artifact is None else 'shipped'}-{client}.svg"
    _profile(bench, reviews, client, artifact, ["--format", "flamegraph", "--output", str(picture)])
    to_stderr(f"flame graph: {picture}")


def _profile(
    bench: Bench, reviews: int, client: ClientName, artifact: Path | None, how: Sequence[str]
) -> Mapping[str, float]:
    sampler = Path(sys.executable).with_name("py-spy")
    program = [sys.executable, "-m", *carrier(bench, bench.filled(reviews), artifact=artifact, client=client)]
    command = [str(sampler), "record", "--gil", "--rate", str(SAMPLES_PER_S), *how, "--", *program]
    with run_program("the worker under py-spy", command) as child:
        child.wait(limit_s(reviews))
        return child.answer()


if __name__ == "__main__":
    sys.exit(main())
