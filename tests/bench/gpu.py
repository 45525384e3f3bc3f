"""`python -m tests.bench.gpu`: the engine on a GPU, and torch's plain forward beside it. See docs/performance.md."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table

from deploy.kafka.launcher import to_stderr
from model.artifact import Artifact
from model.engines.cuda_engine import CudaEngine, cuda_device
from model.engines.engine import EnginePredictor
from model.engines.packing import Ids
from model.engines.torch_engine import TorchEngine
from model.errors import EngineUnavailable
from model.network import BiLstmClassifier
from model.networks import Network, build_network
from model.predictor import score_texts
from tests.bench.engines import add_options, difference, networks
from tests.bench.texts import load_texts
from training.batches import pad_left, pad_right
from worker.commands.bench.figures import Spread, spreads
from worker.commands.bench.machine import machine_facts

BATCHES: Final = (1, 16, 64, 256, 1024, 4096)
TEXT_BATCH: Final = 1024
PLAIN_BATCH: Final = 256
MOST_BATCHES: Final = 64  # of a measurement: small batches need no more reviews
COMPARED: Final = 512  # rows whose probabilities are held against the CPU's
PLAIN: Final = f"torch's plain forward, fp32, {PLAIN_BATCH} at a time"
PLAIN_SINGLE: Final = "torch's plain forward, fp32, one at a time"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to score reviews."""

    score: Callable[[Sequence[Any]], object]  # blocks until the results are there
    reviews: Sequence[Any]  # texts or rows of ids
    batch: int
    baseline: str  # what it is compared with

    def rate(self) -> float:
        """Reviews/s, measured once."""
        reviews = self.reviews[: self.batch * MOST_BATCHES]
        began_s = time.perf_counter()
        for start in range(0, len(reviews), self.batch):
            self.score(reviews[start : start + self.batch])
        return len(reviews) / (time.perf_counter() - began_s)


def main() -> int:
    """Run the command line; the exit status."""
    arguments = _arguments(sys.argv[1:])
    try:
        device = cuda_device()
    except EngineUnavailable:
        to_stderr("error: torch finds no CUDA device, and nothing else is measured here: run it where there is one")
        return 1
    gpu, results = torch.cuda.get_device_name(device), []
    texts = load_texts(arguments.data, arguments.reviews)
    for subject, artifact in networks(arguments):
        cases, engines = make_cases(artifact, texts, device)
        rounds = measure(cases, arguments.rounds)
        Console().print(_table(f"{subject}, {gpu}", cases, rounds))
        for precision, about in engines.items():
            to_stderr(f"{precision}: {about}")
        results.append({"network": subject, "engines": engines, "rounds": rounds})
    if arguments.out:
        facts = {"gpu": gpu, "machine": machine_facts(), "reviews": arguments.reviews, "results": results}
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


def make_cases(
    artifact: Artifact, texts: Sequence[str], device: torch.device
) -> tuple[dict[str, Case], dict[str, dict[str, Any]]]:
    """All cases by name, warm; of each precision what the engine measured, and how far it is from fp32 on the CPU."""
    max_tokens = artifact.tokenizer.max_tokens
    rows = [row for text in texts if len(row := artifact.tokenizer.tokenize(text).ids)]

    def network() -> Network:
        return build_network(artifact.config.network, artifact.weights)

    plain = plain_forward(network().to(device), max_tokens, device)
    cases = {PLAIN: Case(plain, rows, PLAIN_BATCH, PLAIN), PLAIN_SINGLE: Case(plain, rows, 1, PLAIN_SINGLE)}
    exact = TorchEngine(network(), max_tokens=max_tokens)
    engines: dict[str, dict[str, Any]] = {}
    for precision in ("fp16", "fp32"):
        engine = CudaEngine(network(), max_tokens=max_tokens, device=device, precision=precision)
        apart = difference(engine, exact, rows[:COMPARED])
        engines[precision] = {"largest difference of a probability": apart, "plan": engine.plan and asdict(engine.plan)}
        for batch in BATCHES:
            baseline = PLAIN_SINGLE if batch == 1 else PLAIN
            cases[f"ids, {precision}, {batch:,} at a time"] = Case(engine.logits, rows, batch, baseline)
        predictor = EnginePredictor(artifact, engine)
        cases[f"text, {precision}, {TEXT_BATCH:,} at a time"] = Case(
            partial(score_texts, predictor), texts, TEXT_BATCH, PLAIN
        )
    return cases, engines


def plain_forward(network: Network, max_tokens: int, device: torch.device) -> Callable[[Sequence[Ids]], object]:
    """A hand-written consumer's: rows as they came, filled up to the longest (the reference network: to its width)."""

    @torch.inference_mode()
    def score(rows: Sequence[Ids]) -> object:
        if isinstance(network, BiLstmClassifier):
            lengths = torch.tensor([len(row) for row in rows], device=device)
            return network(pad_right(rows).to(device), lengths).tolist()
        return network(pad_left(rows, max_tokens).to(device), network.init_hidden(len(rows)))[0].tolist()

    return score


def measure(cases: Mapping[str, Case], rounds: int) -> list[dict[str, float]]:
    """Every case in each round, after one that does not count."""
    return [{name: case.rate() for name, case in cases.items()} for _ in range(1 + rounds)][1:]


def _table(title: str, cases: Mapping[str, Case], rounds: Sequence[Mapping[str, float]]) -> Table:
    table = Table("", "reviews/s", "ms a batch", "/ torch's plain forward, or single", title=title)
    for name, pace in spreads(rounds).items():
        case = cases[name]
        ratio = Spread.of([rates[name] / rates[case.baseline] for rates in rounds])
        table.add_row(name, str(pace), f"{1000 * case.batch / pace.median:.2f}", str(ratio))
    return table


def _arguments(command_line: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description="Measure the engine on a GPU.")
    parser.add_argument("--reviews", type=int, default=4096, help="at most, in a measurement (default: %(default)s)")
    add_options(parser)
    return parser.parse_args(command_line)


if __name__ == "__main__":
    sys.exit(main())
