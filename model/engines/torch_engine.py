"""The torch engine for CPUs, in fp32; `cuda_engine` is the one for GPUs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from model.engines.grouping import GroupedEngine, Score
from model.engines.packing import Ids, pad_left, pad_right, states_after_padding
from model.engines.torch_errors import translated
from model.network import BiLstmClassifier
from model.networks import Network
from model.sentiment_rnn import SentimentRNN

# oneDNN, which computes LSTMs on CPUs, caches its compiled code for each shape: about 1 MB each, by default for 1,024
# shapes. Nearly every batch has a new shape. A few are enough for the two directions of one group.
_CPU_SHAPES_KEPT = "8"

_SATURATED = 1e-12  # the reference network's sigmoid may round to 0 or 1, whose logits are not finite


class TorchEngine(GroupedEngine):
    """See `model.engines.engine.Engine`.

    Torch's per-thread settings (number of threads, inference mode, denormals) are set in the lanes' threads: the
    calling thread keeps its own, and need not be the main one.
    """

    def __init__(self, network: Network, *, max_tokens: int, threads: int | None = None) -> None:
        """Take over `network`, which must be on the CPU, in fp32 and in evaluation mode."""
        # oneDNN reads it once, before its first computation in the process; a value that the user has set stays.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _CPU_SHAPES_KEPT)
        make = partial(_make_score, network, max_tokens)
        super().__init__("torch", make, _guard, threads=threads, initializer=_set_up_thread)


@contextmanager
def _guard(what: str) -> Iterator[None]:
    with translated(what), torch.inference_mode():
        yield


def _set_up_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a state that fades to 1e-38 would cost a hundred times as much


def _make_score(network: Network, max_tokens: int) -> Score:
    return _sentiment_rnn(network, max_tokens) if isinstance(network, SentimentRNN) else _bilstm(network)


def _bilstm(network: BiLstmClassifier) -> Score:
    def score(rows: Sequence[Ids]) -> NDArray[np.float64]:
        lengths = torch.tensor([len(row) for row in rows])
        logits: NDArray[np.float64] = network(torch.from_numpy(pad_right(rows)), lengths).double().numpy()
        return logits

    return score


def _sentiment_rnn(network: SentimentRNN, width: int) -> Score:
    """Rows are padded on the left to the notebook's `width`, so that a row's result does not depend on its batch.

    All rows with the same number of leading zeros share the state after them, which is computed once. A group starts
    from it and is padded only to its own longest row: the notebook's numbers, with less computation.
    """
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    after_zeros = torch.from_numpy(states_after_padding(weights, "lstm", width))

    def score(rows: Sequence[Ids]) -> NDArray[np.float64]:
        ids = torch.from_numpy(pad_left(rows))
        states = after_zeros[width - ids.size(1)].unsqueeze(2).expand(-1, -1, len(rows), -1)
        probabilities, _ = network(ids, (states[:, 0].contiguous(), states[:, 1].contiguous()))
        logits: NDArray[np.float64] = probabilities.double().logit(_SATURATED).numpy()
        return logits

    return score
