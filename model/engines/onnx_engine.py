"""The ONNX Runtime engine: CPU, fp32, without torch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from model.engines.cores import physical_cores
from model.engines.grouping import cpu_group_tokens, logits_in_groups
from model.engines.lanes import Lanes
from model.engines.onnx_graph import bilstm_graph, sentiment_rnn_graph
from model.engines.packing import Ids, pad_left, pad_right
from model.errors import BatchFailed, EngineBroken
from model.network_config import AnyNetworkConfig, SentimentRnnConfig, Weights

States = NDArray[np.float32]  # (n_layers, B, hidden_dim)

_RUN_ERRORS = (errors.Fail, errors.RuntimeException, errors.InvalidArgument, errors.EPFail, errors.NotImplemented)


class OnnxEngine:
    """See `model.engines.engine.Engine`. A session computes in the thread that calls it; the lanes share one."""

    def __init__(
        self,
        config: AnyNetworkConfig,
        weights: Weights,
        *,
        max_tokens: int,
        threads: int | None = None,
    ) -> None:
        self._lanes = Lanes(threads or physical_cores(), lambda: None)
        # Not by the lanes: they would begin now, with the priority of the thread that makes the engine.
        self._scorer = Lanes(1, lambda: None).submit(_make_scorer, config, weights, max_tokens).result()
        self.description = f"onnx cpu fp32, {self._lanes.count} threads"
        self.tolerance = 1e-5
        self.batches_at_once = 2  # lanes that are done with the one begin with the other

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """See `Engine`."""
        group_tokens = cpu_group_tokens(rows, self._lanes.count)
        return logits_in_groups(rows, self._score, lanes=self._lanes, group_tokens=group_tokens)

    def _score(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        with _translated(f"{len(rows)} reviews of up to {len(rows[0])} tokens"):
            return self._scorer.logits(rows)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise BatchFailed(f"no memory to score {what}: use smaller batches") from error
    except _RUN_ERRORS as error:
        raise BatchFailed(f"ONNX Runtime could not score {what} ({error})") from error


class _Scorer(Protocol):
    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """(B,) of B > 0 rows, the longest first, none empty; uncalibrated."""
        ...


def _make_scorer(config: AnyNetworkConfig, weights: Weights, max_tokens: int) -> _Scorer:
    if isinstance(config, SentimentRnnConfig):
        return _SentimentRnnScorer(config, _Session(sentiment_rnn_graph(config, weights)), max_tokens)
    return _BiLstmScorer(_Session(bilstm_graph(weights)))


class _Session:
    """A graph that can be run from any thread."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # batches have a new shape nearly each time
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except (*_RUN_ERRORS, errors.InvalidGraph, errors.InvalidProtobuf) as error:
            raise EngineBroken(f"ONNX Runtime cannot load the network: choose another engine ({error})") from error

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        answer: list[NDArray[np.float32]] = self._session.run(outputs, inputs)
        return answer


class _BiLstmScorer:
    def __init__(self, session: _Session) -> None:
        self._session = session

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        [logits] = self._session.run(["logits"], {"ids": pad_right(rows).T, "lengths": lengths})
        return logits.astype(np.float64)


class _SentimentRnnScorer:
    """As in the torch engine, a group goes on from the state after the zeros that all its rows begin with."""

    def __init__(self, config: SentimentRnnConfig, session: _Session, width: int) -> None:
        self._session = session
        self._width = width
        zeros = np.zeros((config.n_layers, 1, config.hidden_dim), np.float32)
        self._after_zeros = [(zeros, zeros)]
        for _ in range(width):
            self._after_zeros.append(self._after_zero(*self._after_zeros[-1]))

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        ids = pad_left(rows).T
        hidden, cell = (np.repeat(state, len(rows), axis=1) for state in self._after_zeros[self._width - len(ids)])
        inputs: dict[str, NDArray[Any]] = {"ids": ids, "hidden": hidden, "cell": cell}
        [logits] = self._session.run(["logits"], inputs)
        return logits.astype(np.float64)

    def _after_zero(self, hidden: States, cell: States) -> tuple[States, States]:
        inputs: dict[str, NDArray[Any]] = {"ids": np.zeros((1, 1), np.int64), "hidden": hidden, "cell": cell}
        hidden, cell = self._session.run(["next_hidden", "next_cell"], inputs)
        return hidden, cell
