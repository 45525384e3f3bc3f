"""The native engine: both networks on a CPU, by the kernel in model/engines/native.

Every core is a lane of its own, as in the torch engine. Here the lanes share the rows one by one: each takes the next
row, the longest first, when one of its slots is free. So no row waits for another, and a lane that a neighbour slows
down takes fewer.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.engines.cores import physical_cores
from model.engines.lanes import Lanes
from model.engines.native.library import PRECISIONS, Kernel, Network, Rows, Words
from model.engines.native.weights import Floats, layer_count, pack_lstm, padded, states_after_zeros
from model.engines.packing import Ids
from model.errors import ModelError

TOLERANCES: Final = {"fp32": 1e-5, "int16": 3e-3}


class NativeEngine:
    """Logits of rows of word ids. May be called from any thread, and from several at once."""

    def __init__(
        self,
        weights: Mapping[str, Floats],
        *,
        width: int,
        precision: str = "int16",
        threads: int | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        """`weights`: the state dict of a `BiLstmClassifier` or `SentimentRNN`. `width`: the longest row that is read.

        Raises EngineUnavailable where the kernel was not compiled or the processor is not one that it knows.
        """
        if precision not in PRECISIONS:
            raise ModelError(f"precision {precision!r} is not known; the choices are {', '.join(PRECISIONS)}")
        self._kernel = kernel or Kernel()
        self._precision = precision
        self._threads = threads or physical_cores()
        self._pool = Lanes(self._threads - 1, lambda: None)  # the calling thread computes, too
        self._words = len(weights["embedding.weight"])
        self._width = width
        lanes = self._kernel.lanes
        self._head: _BiLstm | _SentimentRnn
        if "fc.weight" in weights:
            self._network = _SentimentRnn(weights, width=width, precision=precision, lanes=lanes)
        else:
            self._network = _BiLstm(weights, precision=precision, lanes=lanes)

    @property
    def tolerance(self) -> float:
        """Largest difference of a probability from the fp32 single-review result."""
        return TOLERANCES[self._precision]

    def __str__(self) -> str:
        return f"native {self._kernel.level} {self._precision}, {self._threads} threads"

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """(B,) of B > 0 rows with 1 to `width` ids each, in the order given; uncalibrated, not checked to be finite.

        Raises BatchFailed where there is no memory, ValueError for rows that are not such.
        """
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        self._check(rows, lengths)
        order = np.argsort(-lengths, kind="stable")
        ids = np.concatenate([rows[i] for i in order], dtype=np.int32)
        if ids.min() < 0 or ids.max() >= self._words:
            raise ValueError(f"ids must be from 0 to {self._words - 1}")
        offsets = np.concatenate([[0], np.cumsum(lengths[order])])
        words = Words(ids, offsets, self._network.starts(lengths[order]))
        logits = np.empty(len(rows))
        logits[order] = self._network.logits(self._pooled(words))
        return logits

    def _check(self, rows: Sequence[Ids], lengths: NDArray[np.int64]) -> None:
        if not len(rows) or lengths.min() < 1 or lengths.max() > self._width:
            raise ValueError(f"rows must be there, and have 1 to {self._width} ids")
        if any(row.ndim != 1 or row.dtype != np.int32 for row in rows):
            raise ValueError("rows must be vectors of int32")

    def _pooled(self, words: Words) -> list[Floats]:
        """What each LSTM of the network makes of the words: (B, 3, units)."""
        passes = [
            (lstm, Rows(words, units=lstm.units, backwards=backwards)) for lstm, backwards in self._network.lstms
        ]
        tasks = len(words.start) * len(passes)
        lanes = min(self._threads, tasks)
        slots = -(-tasks // lanes)

        def compute(lane: int) -> None:
            for turn in range(len(passes)):  # lanes begin at different ones: a single review has work for two
                lstm, rows = passes[(lane + turn) % len(passes)]
                self._kernel.compute(lstm, rows, slots=slots, precision=self._precision)

        others = [self._pool.submit(compute, lane) for lane in range(1, lanes)]
        try:
            compute(0)
        finally:
            wait(others)  # also when one fails: nothing may still be computing when the caller goes on
        for other in others:
            other.result()
        return [rows.pooled for _, rows in passes]


class _BiLstm:
    """See `model.network.BiLstmClassifier`."""

    def __init__(self, weights: Mapping[str, Floats], *, precision: str, lanes: int) -> None:
        embedding = weights["embedding.weight"]
        self._units = weights["forward_lstm.weight_hh_l0"].shape[1]
        start = np.zeros((1, 1, 2, padded(self._units, lanes)), np.float32)
        self.lstms = [
            (Network(pack_lstm(weights, name, embedding, precision=precision, lanes=lanes), start), backwards)
            for name, backwards in (("forward_lstm", False), ("backward_lstm", True))
        ]
        self._head = weights["head.weight"][0].astype(np.float64)
        self._bias = float(weights["head.bias"][0])

    def starts(self, lengths: NDArray[np.int64]) -> NDArray[np.int32]:
        """Every row begins with zeros."""
        return np.zeros(len(lengths), np.int32)

    def logits(self, pooled: Sequence[Floats]) -> NDArray[np.float64]:
        """(B,) of both directions' pooled states."""
        states = np.concatenate([each[:, :, : self._units].reshape(len(each), -1) for each in pooled], axis=1)
        return _weighted_sums(states, self._head) + self._bias


class _SentimentRnn:
    """See `model.sentiment_rnn.SentimentRNN`. Rows are filled up on the left to the notebook's width.

    All rows with the same number of leading zeros share the state after them. It is computed once and tabled, so that
    the zeros cost nothing.
    """

    def __init__(self, weights: Mapping[str, Floats], *, width: int, precision: str, lanes: int) -> None:
        embedding = weights["embedding.weight"]
        self._width = width
        self._units = weights["lstm.weight_hh_l0"].shape[1]
        starts = states_after_zeros(weights, "lstm", width)
        missing = padded(self._units, lanes) - self._units
        starts = np.pad(starts, [(0, 0), (0, 0), (0, 0), (0, missing)])
        self.lstms = [(Network(pack_lstm(weights, "lstm", embedding, precision=precision, lanes=lanes), starts), False)]
        self._head = weights["fc.weight"][-1].astype(np.float64)
        self._bias = float(weights["fc.bias"][-1])

    def starts(self, lengths: NDArray[np.int64]) -> NDArray[np.int32]:
        """The state after as many zeros as each row lacks."""
        return (self._width - lengths).astype(np.int32)

    def logits(self, pooled: Sequence[Floats]) -> NDArray[np.float64]:
        """(B,) of the last states."""
        return _weighted_sums(pooled[0][:, 2, : self._units], self._head) + self._bias


def _weighted_sums(states: Floats, head: NDArray[np.float64]) -> NDArray[np.float64]:
    """states @ head, always summed in the same order: a row's sum does not depend on how many rows there are."""
    sums: NDArray[np.float64] = (states * head).sum(axis=1)
    return sums
