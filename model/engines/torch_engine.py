"""The torch engine: CPU (fp32) and CUDA (fp16 or fp32).

On a CPU every core is a lane of its own: one thread that computes whole groups of rows by itself. The other way,
all cores inside one LSTM, makes them wait for each other at each time step: a neighbour that takes a part of one
core then slows down all of them, and a second OpenMP pool in the process turns each wait into a system call. Lanes
lose what the neighbour takes, and no more.
"""

import copy
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.artifact import Artifact
from model.engines.cores import physical_cores
from model.engines.lanes import Lanes
from model.engines.packing import Ids, cut_by_length, pad_left, pad_right
from model.errors import BatchFailed, EngineBroken, ModelError
from model.network import BiLstmClassifier
from model.predictor import ModelInfo, Predictions, TokenizedText
from model.sentiment_rnn import Hidden, SentimentRNN

# A group of rows is computed at once; its size is rows times the longest row.
_CPU_GROUP_TOKENS = 8_192  # above it the activations leave the caches, and their pages go back after each call
_CPU_SMALL_GROUP_TOKENS = 1_024  # below it a product has too few rows to be worth cutting for another lane
_GROUPS_PER_LANE = 2  # a lane that is done early finds work
_CUDA_GROUP_TOKENS = 262_144  # about 1 GB of activations in fp16

# oneDNN, which computes an LSTM on a CPU, keeps what it compiled for each shape that it met: about 1 MB, by default for
# 1,024 shapes. Batches have a new shape nearly each time. A few are kept for the two directions of one group.
_CPU_SHAPES_KEPT = "8"

_TOLERANCES = {"fp32": 1e-5, "fp16": 5e-3}
_SATURATED = 1e-12  # the reference network's sigmoid may round to 0 or 1, whose logits are not finite
_WARM_UP_ROWS = 64


class TorchPredictor:
    """See `model.predictor.Predictor`.

    What torch keeps for each thread (number of threads, inference mode, denormals) is set in the lanes' threads:
    the calling thread keeps its own settings and need not be the main one.
    """

    def __init__(
        self, artifact: Artifact, *, device: torch.device, precision: str = "fp32", threads: int | None = None
    ) -> None:
        self._tokenizer = artifact.tokenizer
        self._calibration = artifact.config.calibration
        self._device = device
        # Read once, before oneDNN computes for the first time in a process; whoever has set it knows better.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _CPU_SHAPES_KEPT)
        self._lanes = 1 if device.type == "cuda" else threads or physical_cores()
        self._pool = Lanes(self._lanes, _settle_thread)
        dtype = torch.float16 if precision == "fp16" else torch.float32
        try:
            self._scorer = self._pool.submit(_make_scorer, artifact, device, dtype).result()
        except RuntimeError as error:  # torch's out-of-memory and device errors are of this kind
            raise EngineBroken(f"the network cannot be put on {device}: choose another device ({error})") from error
        place = f"{self._lanes} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
        self._info = ModelInfo(
            name=artifact.config.name,
            version=artifact.config.version,
            sha256=artifact.sha256,
            engine=f"torch {device.type} {precision}, {place}",
            tolerance=_TOLERANCES[precision],
        )

    @property
    def info(self) -> ModelInfo:
        """See `Predictor`."""
        return self._info

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See `Predictor`."""
        return [self._tokenizer.tokenize(text) for text in texts]

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """See `Predictor`."""
        tokens = np.fromiter(map(len, rows), np.int32, len(rows))
        probabilities = np.full(len(rows), 0.5)
        scored = [i for i, row in enumerate(rows) if len(row)]
        if scored:
            logits = self._logits([rows[i].ids for i in scored])
            evidence = np.array([rows[i].evidence for i in scored])
            probabilities[scored] = 0.5 + evidence * (self._calibration.probabilities(logits) - 0.5)
        return Predictions(
            probabilities=probabilities.astype(np.float32),
            tokens=tokens,
            truncated=np.fromiter((row.truncated for row in rows), np.bool_, len(rows)),
            out_of_domain=np.fromiter((row.out_of_domain for row in rows), np.bool_, len(rows)),
        )

    def warm_up(self) -> None:
        """See `Predictor`."""
        lengths = np.linspace(1, self._tokenizer.max_tokens, _WARM_UP_ROWS, dtype=int)
        self.predict([TokenizedText(np.ones(length, np.int32), 0, truncated=False) for length in lengths])

    def _logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """(B,) of B > 0 rows with at least one token each, in the order given."""
        lengths = [len(row) for row in rows]
        groups = cut_by_length(lengths, self._group_tokens(sum(lengths)))
        results = [self._pool.submit(self._score, [rows[i] for i in group]) for group in groups]
        wait(results)  # all of them, also when one fails: nothing may still be computing when the caller goes on
        logits = np.empty(len(rows))
        for group, result in zip(groups, results, strict=True):
            logits[group] = result.result()
        if not np.isfinite(logits).all():
            raise BatchFailed(f"the network's result is not finite for {np.sum(~np.isfinite(logits))} of {len(rows)}")
        return logits

    def _group_tokens(self, total_tokens: int) -> int:
        if self._device.type == "cuda":
            return _CUDA_GROUP_TOKENS
        share = total_tokens // (self._lanes * _GROUPS_PER_LANE)
        return min(max(share, _CPU_SMALL_GROUP_TOKENS), _CPU_GROUP_TOKENS)

    def _score(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        with _translated(f"{len(rows)} reviews of up to {len(rows[0])} tokens"), torch.inference_mode():
            if self._device.type == "cpu":
                return self._scorer.logits(rows)
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 keeps 10 bits of fp32's 23
                return self._scorer.logits(rows)


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises ModelError where CUDA is asked for and absent."""
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise ModelError("device cuda: torch finds no CUDA device here; the choices are auto, cpu")
    return torch.device("cuda" if has_cuda and device != "cpu" else "cpu")


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


def _make_scorer(artifact: Artifact, device: torch.device, dtype: torch.dtype) -> _Scorer:
    network = copy.deepcopy(artifact.network)  # the artifact's stays as it was loaded
    if isinstance(network, SentimentRNN):
        return _SentimentRnnScorer(network.to(device, dtype), artifact.tokenizer.max_tokens)
    return _BiLstmScorer(network.to(device, dtype))


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
