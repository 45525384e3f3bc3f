"""`python -m tests.support.broken_engine run`: the worker, with an engine that goes wrong on certain words.

What it raises is what engines translate the errors of their libraries to; that they do is for tests/model to prove.
"""

import sys
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.artifact import Artifact
from model.engines.engine import Engine, EnginePredictor
from model.engines.packing import Ids
from model.errors import BatchFailed, EngineBroken

BROKEN = "tests.support.broken_engine"  # for WorkerProcess
MOST_ROWS = 8  # that a memory, said to be small, has room for
SLOW_S = 0.5  # a batch


def _cannot(_rows: Sequence[Ids]) -> None:
    raise BatchFailed("shapes do not match")


def _device_fault(_rows: Sequence[Ids]) -> None:
    raise EngineBroken("an illegal memory access was encountered")


def _bug(_rows: Sequence[Ids]) -> None:
    raise ZeroDivisionError("division by zero")


def _hang(_rows: Sequence[Ids]) -> None:
    threading.Event().wait()


def _slow(_rows: Sequence[Ids]) -> None:
    threading.Event().wait(SLOW_S)


def _hang_alone(rows: Sequence[Ids]) -> None:
    if len(rows) > 1:
        _cannot(rows)
    _hang(rows)


def _out_of_memory(rows: Sequence[Ids]) -> None:
    if len(rows) > MOST_ROWS:
        raise BatchFailed(f"no memory for {len(rows)} rows")


# What a review with such a word does to the batch that it is in. Each word is one of the tiny artifact's vocabulary.
WRONG: dict[str, Callable[[Sequence[Ids]], None]] = {
    "unscorable": _cannot,
    "devicefault": _device_fault,
    "bug": _bug,
    "hang": _hang,
    "slow": _slow,
    "hangalone": _hang_alone,
    "large": _out_of_memory,
}
NOT_A_NUMBER = "nan"  # the score of a review with this word


class _BrokenEngine:
    """See `model.engines.engine.Engine`."""

    def __init__(self, engine: Engine, artifact: Artifact) -> None:
        def id_of(word: str) -> int:
            return int(artifact.tokenizer.tokenize(word).ids[0])

        self._engine = engine
        self._wrong = {id_of(word): fault for word, fault in WRONG.items()}
        self._nan = id_of(NOT_A_NUMBER)
        self.description = engine.description
        self.tolerance = engine.tolerance
        self.batches_at_once = engine.batches_at_once

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        words = set(np.concatenate(rows).tolist())
        for word, fault in self._wrong.items():
            if word in words:
                fault(rows)
        logits = self._engine.logits(rows)
        logits[[self._nan in row for row in rows]] = np.nan
        return logits


def main() -> None:
    make = EnginePredictor.__init__

    def make_wrong(self: EnginePredictor, artifact: Artifact, engine: Engine, *, why: str = "") -> None:
        make(self, artifact, _BrokenEngine(engine, artifact), why=why)

    EnginePredictor.__init__ = make_wrong  # type: ignore[method-assign]

    from worker.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
