"""`python -m tests.support.broken_engine run`: the worker, with a network that goes wrong on certain words.

The real torch engine computes in its own threads and translates what they raise; only the network is not itself.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.artifact import load_artifact
from model.engines import torch_engine
from model.engines.grouping import Score
from model.engines.packing import Ids
from model.networks import Network
from model.tokenizer import Tokenizer

BROKEN = "tests.support.broken_engine"  # for WorkerProcess
MOST_ROWS = 8  # that a memory, said to be small, has room for
SLOW_S = 0.5  # a batch


def _cannot(_rows: Sequence[Ids]) -> None:
    raise RuntimeError("shapes do not match")


def _device_fault(_rows: Sequence[Ids]) -> None:
    raise torch.AcceleratorError("an illegal memory access was encountered")


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
        raise torch.OutOfMemoryError(f"no memory for {len(rows)} rows")


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


class _GoesWrong:
    """A scorer as the torch engine has them."""

    def __init__(self, score: Score, tokenizer: Tokenizer) -> None:
        def id_of(word: str) -> int:
            return int(tokenizer.tokenize(word).ids[0])

        self._score = score
        self._wrong = {id_of(word): fault for word, fault in WRONG.items()}
        self._nan = id_of(NOT_A_NUMBER)

    def __call__(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        words = set(np.concatenate(rows).tolist())
        for word, fault in self._wrong.items():
            if word in words:
                fault(rows)
        logits = self._score(rows)
        logits[[self._nan in row for row in rows]] = np.nan
        return logits


def main() -> None:
    make_score = torch_engine._make_score

    tokenizer = load_artifact(Path(os.environ["SENTIMENT_MODEL"])).tokenizer

    def make_wrong(network: Network, max_tokens: int) -> _GoesWrong:
        return _GoesWrong(make_score(network, max_tokens), tokenizer)

    torch_engine._make_score = make_wrong

    from worker.cli import main as run

    sys.exit(run([*sys.argv[1:], "--engine", "torch", "--device", "cpu"]))


if __name__ == "__main__":
    main()
