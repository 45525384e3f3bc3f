"""`python -m tests.bench.engines`: all engines for a CPU on the same word ids. See docs/performance.md."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from deploy.demo.sample import SAMPLE
from model.artifact import Artifact, load_artifact
from model.artifacts import DEFAULT_ARTIFACT
from model.engines.engine import Engine
from model.engines.native.binding import LEVELS, PRECISIONS, Kernel
from model.engines.native_engine import NativeEngine
from model.engines.packing import Ids
from model.engines.torch_engine import TorchEngine
from model.networks import build_network
from tests.bench.subjects import REFERENCE, SHIPPED, reference_subject
from tests.bench.texts import load_texts
from tests.support.machine import usable_cores
from worker.commands.bench.figures import Spread
from worker.commands.bench.machine import machine_facts

BATCHES: Final = (1, 16, 64, 256)
SINGLE_REVIEWS: Final = 64  # a batch of one takes long enough
CLOCKS: Final = {"wall": time.perf_counter, "cpu": time.process_time}
BASELINE: Final = "torch fp32"

Rates = dict[str, dict[int, float]]  # reviews/s, by engine and batch


def main() -> int:
    """Run the command line; the exit status."""
    arguments = _arguments(sys.argv[1:])
    results: list[dict[str, object]] = []
    texts = load_texts(arguments.data, arguments.reviews)
    for subject, artifact in networks(arguments):
        rows = [row for text in texts if len(row := artifact.tokenizer.tokenize(text).ids)]
        for threads in sorted({1, usable_cores()}):
            engines = make_engines(artifact, threads, arguments.level)
            rounds = measure(engines, rows, CLOCKS[arguments.clock], arguments.rounds)
            apart = {name: difference(engine, engines[BASELINE], rows) for name, engine in engines.items()}
            told = ", ".join(f"{name} {largest:.1g}" for name, largest in apart.items() if name != BASELINE)
            title = f"{subject}, {threads} threads; largest difference of a probability: {told}"
            Console().print(_table(title, engines, rounds))
            results.append({"network": subject, "threads": threads, "differences": apart, "rounds": rounds})
    if arguments.out:
        facts = {"machine": machine_facts(), "clock": arguments.clock, "reviews": arguments.reviews, "results": results}
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


def networks(arguments: argparse.Namespace) -> Iterator[tuple[str, Artifact]]:
    """The artifact asked for, and a network of the reference's size."""
    yield SHIPPED, load_artifact(arguments.artifact)
    with TemporaryDirectory(prefix="sentiment-bench-") as directory:
        reference = Path(directory) / "reference"
        reference_subject(reference, arguments.data)
        yield REFERENCE, load_artifact(reference)


def make_engines(artifact: Artifact, threads: int, level: str | None) -> dict[str, Engine]:
    """Torch, ONNX Runtime where it is installed, and the native engine in each of its precisions."""
    max_tokens = artifact.tokenizer.max_tokens
    network = build_network(artifact.config.network, artifact.weights)
    engines: dict[str, Engine] = {BASELINE: TorchEngine(network, max_tokens=max_tokens, threads=threads)}
    if find_spec("onnxruntime"):
        from model.engines.onnx_engine import OnnxEngine

        engines["onnx fp32"] = OnnxEngine(
            artifact.config.network, artifact.weights, max_tokens=max_tokens, threads=threads
        )
    for precision in PRECISIONS:
        engines[f"native {precision}"] = NativeEngine(
            artifact.weights, max_tokens=max_tokens, precision=precision, threads=threads, kernel=Kernel(level)
        )
    return engines


def measure(engines: Mapping[str, Engine], rows: Sequence[Ids], clock: Callable[[], float], rounds: int) -> list[Rates]:
    """All engines with all batches in each round, so that a machine that changes its pace hits all alike."""
    for engine in engines.values():
        engine.logits(rows[: max(BATCHES)])
    return [
        {name: {batch: _rate(engine, rows, batch, clock) for batch in BATCHES} for name, engine in engines.items()}
        for _ in range(rounds)
    ]


def difference(engine: Engine, other: Engine, rows: Sequence[Ids]) -> float:
    """The largest one between the uncalibrated probabilities of two engines."""
    one, two = (0.5 * np.tanh(0.5 * each.logits(rows)) for each in (engine, other))
    return float(np.abs(one - two).max())


def ratios(rounds: Sequence[Rates], name: str, batch: int) -> list[float]:
    """In each round: the engine's pace over that of torch at its best batch; of single reviews, over torch's."""
    return [
        rates[name][batch] / (rates[BASELINE][1] if batch == 1 else max(rates[BASELINE].values())) for rates in rounds
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The flags of every benchmark of engines alone."""
    parser.add_argument("--rounds", type=int, default=5, help="how often all is measured (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="reviews, .jsonl or .jsonl.xz with a field `text`")
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT, help="instead of the one that ships")
    parser.add_argument("--out", type=Path, help="file to save every rate to, as JSON")


def _rate(engine: Engine, rows: Sequence[Ids], batch: int, clock: Callable[[], float]) -> float:
    some = rows[:SINGLE_REVIEWS] if batch == 1 else rows
    began_s = clock()
    for start in range(0, len(some), batch):
        engine.logits(some[start : start + batch])
    return len(some) / (clock() - began_s)


def _table(title: str, engines: Mapping[str, Engine], rounds: Sequence[Rates]) -> Table:
    table = Table("engine", "batch", "reviews/s", "/ torch at its best batch, or single", "ms a review", title=title)
    for name, engine in engines.items():
        for batch in BATCHES:
            pace, ratio = Spread.of([rates[name][batch] for rates in rounds]), Spread.of(ratios(rounds, name, batch))
            table.add_row(
                engine.description,
                str(batch),
                str(pace),
                str(ratio),
                f"{1000 / pace.median:.2f}",
            )
    return table


def _arguments(command_line: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engines", description="Measure the engines alone.")
    parser.add_argument("--reviews", type=int, default=512, help="in each measurement (default: %(default)s)")
    add_options(parser)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: the time that this process ran; for a busy machine"
    )
    parser.add_argument("--level", choices=LEVELS[1:], help="of the native engine (default: the processor's best)")
    return parser.parse_args(command_line)


if __name__ == "__main__":
    sys.exit(main())
