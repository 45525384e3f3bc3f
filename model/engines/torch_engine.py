"""The torch engine for CPUs, in fp32; `cuda_engine` is the one for GPUs."""

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.engines.cores import physical_cores
from model.engines.grouping import cpu_group_tokens, logits_in_groups
from model.engines.lanes import Lanes
from model.engines.packing import Ids, pad_left, pad_right
from model.engines.torch_errors import translated
from model.network import BiLstmClassifier
from model.networks import Network
from model.sentiment_rnn import SentimentRNN, states_after_zeros

# oneDNN, which computes an LSTM on a CPU, keeps what it compiled for each shape that it met: about 1 MB, by default for
# 1,024 shapes. Batches have a new shape nearly each time. A few are kept for the two directions of one group.
_CPU_SHAPES_KEPT = "8"

_SATURATED = 1e-12  # the reference network's sigmoid may round to 0 or 1, whose logits are not finite


class TorchEngine:
    """See `model.engines.engine.Engine`.

    What torch keeps for each thread (number of threads, inference mode, denormals) is set in the lanes' threads:
    the calling thread keeps its own settings and need not be the main one.
    """

    def __init__(self, network: Network, *, max_tokens: int, threads: int | None = None) -> None:
        """Take over `network`, which must be in evaluation mode."""
        # Read once, before oneDNN computes for the first time in a process; whoever has set it knows better.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _CPU_SHAPES_KEPT)
        self._lanes = Lanes(threads or physical_cores(), _settle_thread)
        # Not by the lanes: they would begin now, with the priority of the thread that makes the engine.
        self._scorer = Lanes(1, _settle_thread).submit(_make_scorer, network, max_tokens).result()
        self.description = f"torch cpu fp32, {self._lanes.count} threads"
        self.tolerance = 1e-5
        self.batches_at_once = 2  # lanes that are done with the one begin with the other

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """See `Engine`."""
        group_tokens = cpu_group_tokens(rows, self._lanes.count)
        return logits_in_groups(rows, self._score, lanes=self._lanes, group_tokens=group_tokens)

    def _score(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        with translated(f"{len(rows)} reviews of up to {len(rows[0])} tokens"), torch.inference_mode():
            return self._scorer.logits(rows)


def _settle_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a state that fades to 1e-38 would cost a hundred times as much


class _Scorer(Protocol):
    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """(B,) of B > 0 rows, the longest first, none empty; uncalibrated."""
        ...


def _make_scorer(network: Network, max_tokens: int) -> _Scorer:
    if isinstance(network, SentimentRNN):
        return _SentimentRnnScorer(network, max_tokens)
    return _BiLstmScorer(network)


class _BiLstmScorer:
    def __init__(self, network: BiLstmClassifier) -> None:
        self._network = network

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        lengths = torch.tensor([len(row) for row in rows])
        logits: NDArray[np.float64] = self._network(torch.from_numpy(pad_right(rows)), lengths).double().numpy()
        return logits


class _SentimentRnnScorer:
    """Rows are filled up on the left to the notebook's width, whatever their company.

    All rows with the same number of leading zeros share the state after them. It is computed once, so that a group
    starts from it and only its own longest row has to be filled up to: the notebook's numbers, without its work.
    """

    def __init__(self, network: SentimentRNN, width: int) -> None:
        self._network = network
        self._width = width
        self._after_zeros = states_after_zeros(network, width)

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        ids = torch.from_numpy(pad_left(rows))
        hidden, cell = self._after_zeros[self._width - ids.size(1)]
        shape = (-1, len(rows), -1)
        probabilities, _ = self._network(ids, (hidden.expand(shape).contiguous(), cell.expand(shape).contiguous()))
        logits: NDArray[np.float64] = probabilities.double().logit(_SATURATED).numpy()
        return logits
