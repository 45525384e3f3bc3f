"""The native engine: both networks on a CPU, computed by the kernel in `model/engines/native`.

Every core is a lane, as in `model/engines/grouping.py`. Here the lanes share the rows one by one: each takes the next
row, the longest first, when one of its slots is free. No row waits for another, and a lane slowed down by another
process takes fewer rows.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.engines.cores import physical_cores
from model.engines.lanes import Lanes
from model.engines.native.binding import PRECISIONS, Kernel, KernelNetwork, Rows, Words
from model.engines.native.weights import Floats, Layout, pack_lstm
from model.engines.packing import Ids, states_after_padding
from model.errors import ModelError
from model.network_config import Weights

TOLERANCES: Final = {"fp32": 1e-5, "int16": 1e-3}


class NativeEngine:
    """See `model.engines.engine.Engine`."""

    def __init__(
        self,
        weights: Weights,
        *,
        max_tokens: int,
        precision: str = "int16",
        threads: int | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        """`weights` are those of a `BiLstmClassifier` or a `SentimentRNN`. `threads` None: the physical cores.

        Raises ModelError for an unknown precision, and EngineUnavailable where the kernel is not compiled or does not
        support the processor.
        """
        if precision not in PRECISIONS:
            raise ModelError(f"precision {precision!r} is not known; the choices are {', '.join(PRECISIONS)}")
        self._kernel = kernel or Kernel()
        self._max_tokens = max_tokens
        self._vocab_size = len(weights["embedding.weight"])
        network: type[_SentimentRnn | _BiLstm] = _SentimentRnn if "fc.weight" in weights else _BiLstm
        self._network = network(weights, max_tokens, precision, self._kernel.layout)
        self._threads = threads or physical_cores()
        self._lanes = Lanes(self._threads)
        self.description = f"native {self._kernel.level_of(precision)} {precision}, {self._threads} threads"
        self.tolerance = TOLERANCES[precision]
        self.batches_at_once = 2  # lanes that have no row left of one batch start on the other

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """See `Engine`. Raises ValueError for unknown ids and for rows that are empty or too long."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        longest_first = np.argsort(-lengths, kind="stable")
        words = self._words([rows[i] for i in longest_first], lengths[longest_first])
        logits = np.empty(len(rows))
        logits[longest_first] = self._network.logits(self._pooled(words))
        return logits

    def _words(self, rows: Sequence[Ids], lengths: NDArray[np.int64]) -> Words:
        """Rows as the kernel reads them; checked here, because the kernel checks nothing."""
        if lengths[-1] < 1 or lengths[0] > self._max_tokens:
            raise ValueError(
                f"rows must have from 1 to {self._max_tokens} ids, these have {lengths[-1]} to {lengths[0]}"
            )
        ids = np.concatenate(rows, dtype=np.int32, casting="safe")
        if ids.ndim != 1:
            raise ValueError("rows must be vectors of ids")
        if ids.min() < 0 or ids.max() >= self._vocab_size:
            raise ValueError(f"ids must be from 0 to {self._vocab_size - 1}, these are {ids.min()} to {ids.max()}")
        return Words(ids, np.concatenate([[0], lengths.cumsum()]), self._network.starts(lengths))

    def _pooled(self, words: Words) -> list[Floats]:
        """The pooled states of each LSTM of the network: (B, 3, units)."""
        passes = [(lstm, Rows(words, lstm, backwards=backwards)) for lstm, backwards in self._network.lstms]
        tasks = len(words) * len(passes)
        lanes = min(self._threads, tasks)
        slots = -(-tasks // lanes)

        def compute(lane: int) -> None:
            for turn in range(len(passes)):  # lanes start with different ones, so a single review occupies two
                lstm, rows = passes[(lane + turn) % len(passes)]
                self._kernel.compute(lstm, rows, slots=slots)

        self._lanes.map(compute, range(lanes))
        return [rows.pooled for _, rows in passes]


class _BiLstm:
    """See `model.network.BiLstmClassifier`."""

    def __init__(self, weights: Weights, _max_tokens: int, precision: str, layout: Layout) -> None:
        self._units = weights["forward_lstm.weight_hh_l0"].shape[1]
        zeros = np.zeros((1, 1, 2, layout.padded(self._units)), np.float32)
        self.lstms = [
            (KernelNetwork(pack_lstm(weights, name, precision, layout), zeros, precision), backwards)
            for name, backwards in (("forward_lstm", False), ("backward_lstm", True))
        ]
        self._head = weights["head.weight"][0].astype(np.float64)
        self._bias = float(weights["head.bias"][0])

    def starts(self, lengths: NDArray[np.int64]) -> NDArray[np.int32]:
        """The index of the initial states for rows of these lengths: (B,)."""
        return np.zeros(len(lengths), np.int32)

    def logits(self, pooled: Sequence[Floats]) -> NDArray[np.float64]:
        """Logits (B,) of the pooled states of both LSTMs."""
        states = np.concatenate([each[:, :, : self._units].reshape(len(each), -1) for each in pooled], axis=1)
        return _weighted_sums(states, self._head) + self._bias


class _SentimentRnn:
    """See `model.sentiment_rnn.SentimentRNN`. Its rows are padded on the left to `max_tokens`.

    All rows with the same number of leading zeros share the state after them. It is computed once per number of zeros.
    """

    def __init__(self, weights: Weights, max_tokens: int, precision: str, layout: Layout) -> None:
        self._max_tokens = max_tokens
        self._units = weights["lstm.weight_hh_l0"].shape[1]
        missing = layout.padded(self._units) - self._units
        states = np.pad(states_after_padding(weights, "lstm", max_tokens), [(0, 0)] * 3 + [(0, missing)])
        self.lstms = [(KernelNetwork(pack_lstm(weights, "lstm", precision, layout), states, precision), False)]
        self._head = weights["fc.weight"][-1].astype(np.float64)
        self._bias = float(weights["fc.bias"][-1])

    def starts(self, lengths: NDArray[np.int64]) -> NDArray[np.int32]:
        """The index of the initial states for rows of these lengths: (B,)."""
        return (self._max_tokens - lengths).astype(np.int32)

    def logits(self, pooled: Sequence[Floats]) -> NDArray[np.float64]:
        """Logits (B,) of the pooled states of the LSTM."""
        last = pooled[0][:, 2, : self._units]
        return _weighted_sums(last, self._head) + self._bias


def _weighted_sums(states: Floats, head: NDArray[np.float64]) -> NDArray[np.float64]:
    """states @ head, in this thread; the order of a row's sum does not depend on the number of rows."""
    sums: NDArray[np.float64] = (states * head).sum(axis=1)
    return sums
