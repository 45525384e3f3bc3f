"""The ONNX Runtime engine: CPU, fp32, without torch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from model.engines.grouping import GroupedEngine, Score
from model.engines.onnx_graph import bilstm_graph, sentiment_rnn_graph
from model.engines.packing import Ids, pad_left, pad_right, states_after_padding
from model.errors import BatchFailed, EngineBroken
from model.network_config import AnyNetworkConfig, SentimentRnnConfig, Weights

_RUN_ERRORS = (errors.Fail, errors.RuntimeException, errors.InvalidArgument, errors.EPFail, errors.NotImplemented)


class OnnxEngine(GroupedEngine):
    """See `model.engines.engine.Engine`. A session computes in the thread that calls it; the lanes share one."""

    def __init__(
        self, config: AnyNetworkConfig, weights: Weights, *, max_tokens: int, threads: int | None = None
    ) -> None:
        super().__init__("onnx", partial(_make_score, config, weights, max_tokens), _translated, threads=threads)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise BatchFailed(f"no memory to score {what}: use smaller batches") from error
    except _RUN_ERRORS as error:
        raise BatchFailed(f"ONNX Runtime could not score {what} ({error})") from error


def _make_score(config: AnyNetworkConfig, weights: Weights, max_tokens: int) -> Score:
    if isinstance(config, SentimentRnnConfig):
        return _sentiment_rnn(config, weights, max_tokens)
    return _bilstm(weights)


def _bilstm(weights: Weights) -> Score:
    session = _session(bilstm_graph(weights))

    def score(rows: Sequence[Ids]) -> NDArray[np.float64]:
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        return _logits(session, {"ids": pad_right(rows).T, "lengths": lengths})

    return score


def _sentiment_rnn(config: SentimentRnnConfig, weights: Weights, width: int) -> Score:
    """As in the torch engine, a group starts from the state after the zeros that all its rows begin with."""
    session = _session(sentiment_rnn_graph(config, weights))
    after_zeros = states_after_padding(weights, "lstm", width)

    def score(rows: Sequence[Ids]) -> NDArray[np.float64]:
        ids = pad_left(rows).T
        states = np.repeat(after_zeros[width - len(ids), :, :, np.newaxis], len(rows), axis=2)
        return _logits(session, {"ids": ids, "hidden": states[:, 0], "cell": states[:, 1]})

    return score


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    """A session that can run from any thread. Raises EngineBroken."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # nearly every batch has a new shape
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except (*_RUN_ERRORS, errors.InvalidGraph, errors.InvalidProtobuf) as error:
        raise EngineBroken(f"ONNX Runtime cannot load the network: choose another engine ({error})") from error


def _logits(session: onnxruntime.InferenceSession, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    logits: NDArray[np.float32]
    [logits] = session.run(["logits"], inputs)
    return logits.astype(np.float64)
