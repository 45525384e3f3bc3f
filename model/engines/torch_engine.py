"""The torch engine: CPU (fp32) and CUDA (fp16 or fp32)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.engines.cores import physical_cores
from model.engines.grouping import cpu_group_tokens, logits_in_groups
from model.engines.lanes import Lanes
from model.engines.packing import Ids, pad_left, pad_right
from model.errors import BatchFailed, EngineBroken, EngineUnavailable
from model.network import BiLstmClassifier
from model.networks import Network
from model.sentiment_rnn import Hidden, SentimentRNN

_CUDA_GROUP_TOKENS = 262_144  # about 1 GB of activations in fp16

# oneDNN, which computes an LSTM on a CPU, keeps what it compiled for each shape that it met: about 1 MB, by default for
# 1,024 shapes. Batches have a new shape nearly each time. A few are kept for the two directions of one group.
_CPU_SHAPES_KEPT = "8"

_TOLERANCES = {"fp32": 1e-5, "fp16": 5e-3}
_SATURATED = 1e-12  # the reference network's sigmoid may round to 0 or 1, whose logits are not finite


class TorchEngine:
    """See `model.engines.engine.Engine`.

    What torch keeps for each thread (number of threads, inference mode, denormals) is set in the lanes' threads:
    the calling thread keeps its own settings and need not be the main one.
    """

    def __init__(
        self,
        network: Network,
        *,
        max_tokens: int,
        device: torch.device,
        precision: str = "fp32",
        threads: int | None = None,
    ) -> None:
        """Take over `network`, which must be in evaluation mode. Raises EngineBroken where `device` cannot hold it."""
        self._device = device
        # Read once, before oneDNN computes for the first time in a process; whoever has set it knows better.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _CPU_SHAPES_KEPT)
        self._lanes = Lanes(1 if device.type == "cuda" else threads or physical_cores(), _settle_thread)
        dtype = torch.float16 if precision == "fp16" else torch.float32
        try:
            self._scorer = self._lanes.submit(_make_scorer, network.to(device, dtype), max_tokens).result()
        except RuntimeError as error:  # torch's out-of-memory and device errors are of this kind
            raise EngineBroken(f"the network cannot be put on {device}: choose another device ({error})") from error
        place = f"{self._lanes.count} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
        self.description = f"torch {device.type} {precision}, {place}"
        self.tolerance = _TOLERANCES[precision]

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """See `Engine`."""
        on_cuda = self._device.type == "cuda"
        group_tokens = _CUDA_GROUP_TOKENS if on_cuda else cpu_group_tokens(rows, self._lanes.count)
        return logits_in_groups(rows, self._score, lanes=self._lanes, group_tokens=group_tokens)

    def _score(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        with _translated(f"{len(rows)} reviews of up to {len(rows[0])} tokens"), torch.inference_mode():
            if self._device.type == "cpu":
                return self._scorer.logits(rows)
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 keeps 10 bits of fp32's 23
                return self._scorer.logits(rows)


def torch_device(device: str) -> torch.device:
    """Raises EngineUnavailable for a CUDA device that torch does not find."""
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailable("torch finds no CUDA device: choose the device auto or cpu, or mend the GPU's driver")
    return torch.device(device)


def _settle_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a state that fades to 1e-38 would cost a hundred times as much


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise BatchFailed(f"no memory to score {what}: use smaller batches") from error
    except torch.AcceleratorError as error:
        raise EngineBroken(f"the device failed while scoring {what}: restart the process ({error})") from error
    except RuntimeError as error:
        if "CUDA error" in str(error):
            raise EngineBroken(f"the device failed while scoring {what}: restart the process ({error})") from error
        raise BatchFailed(f"torch could not score {what} ({error})") from error


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
        self._network.head.float()  # pooled states are summed in fp32; the last product costs nothing
        self._device = network.head.weight.device

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        ids = torch.from_numpy(pad_right(rows)).to(self._device)
        lengths = torch.tensor([len(row) for row in rows], device=self._device)
        logits: NDArray[np.float64] = self._network(ids, lengths).double().cpu().numpy()
        return logits


class _SentimentRnnScorer:
    """Rows are filled up on the left to the notebook's width, whatever their company.

    All rows with the same number of leading zeros share the state after them. It is computed once, so that a group
    starts from it and only its own longest row has to be filled up to: the notebook's numbers, without its work.
    """

    def __init__(self, network: SentimentRNN, width: int) -> None:
        self._network = network
        self._width = width
        self._device = network.fc.weight.device
        self._after_zeros = _states_after_zeros(network, width)

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        ids = torch.from_numpy(pad_left(rows)).to(self._device)
        hidden, cell = self._after_zeros[self._width - ids.size(1)]
        shape = (-1, len(rows), -1)
        probabilities, _ = self._network(ids, (hidden.expand(shape).contiguous(), cell.expand(shape).contiguous()))
        logits: NDArray[np.float64] = probabilities.double().logit(_SATURATED).cpu().numpy()
        return logits


@torch.inference_mode()
def _states_after_zeros(network: SentimentRNN, width: int) -> list[Hidden]:
    """The state (n_layers, 1, hidden_dim) after 0, 1, ... `width` steps of padding."""
    zero = torch.zeros(1, 1, dtype=torch.int64, device=network.fc.weight.device)
    states = [network.init_hidden(1)]
    for _ in range(width):
        states.append(network(zero, states[-1])[1])
    return states
