"""Both networks as ONNX graphs, built from an artifact's weights: word ids in, logits out.

Every graph has the input `ids` (T, B) int64, the inputs that its function names, and the output `logits` (B,) float32.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model.network_config import SentimentRnnConfig, Weights

_OPSET, _IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12

Lstm = tuple[str, int]  # its name in the state dict, and the layer
Shape = Sequence[int | str]


def bilstm_graph(weights: Weights) -> bytes:
    """The production network, serialized. Ids are padded on the right; `lengths` (B,) int32, all positive."""
    graph = _GraphBuilder(weights)
    graph.input("ids", TensorProto.INT64, ["T", "B"])
    graph.input("lengths", TensorProto.INT32, ["B"])
    # ONNX's LSTM takes lengths: the backward direction starts at a row's last word, and states of padding are 0.
    states, last, _ = graph.lstm(graph.words(), [("forward_lstm", 0), ("backward_lstm", 0)], lengths="lengths")
    pooled = [graph.mean_of(states), graph.maximum_of(states), last]  # each (2, B, H)
    by_row = graph.node("Transpose", [graph.node("Concat", pooled, axis=2)], perm=[1, 0, 2])
    graph.logits(graph.node("Flatten", [by_row]), "head")  # (B, 6 H)
    return graph.serialized()


def sentiment_rnn_graph(config: SentimentRnnConfig, weights: Weights) -> bytes:
    """The reference network without its sigmoid, serialized. Left-padded ids; initial `hidden` and `cell` (L, B, H)."""
    graph = _GraphBuilder(weights)
    graph.input("ids", TensorProto.INT64, ["T", "B"])
    for state in ("hidden", "cell"):
        graph.input(state, TensorProto.FLOAT, [config.n_layers, "B", config.hidden_dim])
    words, hidden = graph.words(), ""
    for layer in range(config.n_layers):
        initial = [graph.slice(state, layer) for state in ("hidden", "cell")]
        states, hidden, _ = graph.lstm(words, [("lstm", layer)], initial=initial)
        words = graph.node("Squeeze", [states, graph.constant(np.array([1]))])
    graph.logits(graph.node("Squeeze", [hidden, graph.constant(np.array([0]))]), "fc")
    return graph.serialized()


class _GraphBuilder:
    """A graph under construction; methods return the names of the values that they add."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Shape) -> None:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def words(self) -> str:
        """The embedded ids (T, B, E)."""
        return self.node("Gather", [self.constant(self._weights["embedding.weight"]), "ids"])

    def slice(self, stacked: str, position: int) -> str:
        """(1, B, H) of (L, B, H)."""
        ends = [self.constant(np.array([end])) for end in (position, position + 1, 0)]
        return self.node("Slice", [stacked, *ends])

    def lstm(
        self, words: str, directions: Sequence[Lstm], *, lengths: str = "", initial: Sequence[str] = ("", "")
    ) -> tuple[str, str, str]:
        """States (T, D, B, H), and the last hidden and cell state (D, B, H) of each row."""
        weights = [
            self.constant(np.stack([self._gates(part, direction) for direction in directions]))
            for part in ("weight_ih", "weight_hh")
        ]
        biases = [
            np.concatenate([self._gates(part, direction) for part in ("bias_ih", "bias_hh")])
            for direction in directions
        ]
        states, hidden, cell = (f"{part}_{len(self._nodes)}" for part in ("states", "hidden", "cell"))
        self._nodes.append(
            helper.make_node(
                "LSTM",
                [words, *weights, self.constant(np.stack(biases)), lengths, *initial],
                [states, hidden, cell],
                hidden_size=biases[0].size // 8,
                direction="bidirectional" if len(directions) == 2 else "forward",
            )
        )
        return states, hidden, cell

    def _gates(self, part: str, direction: Lstm) -> NDArray[np.float32]:
        """In ONNX's order input, output, forget, cell; torch stacks the gates as input, forget, cell, output."""
        name, layer = direction
        i, f, c, o = np.split(self._weights[f"{name}.{part}_l{layer}"], 4)
        return np.concatenate([i, o, f, c])

    def mean_of(self, states: str) -> str:
        """(D, B, H) of (T, D, B, H): the sum of the states, of which those of padding are 0, divided by the length."""
        total = self.node("ReduceSum", [states, self.constant(np.array([0]))], keepdims=0)
        lengths = self.node("Cast", ["lengths"], to=TensorProto.FLOAT)
        return self.node("Div", [total, self.node("Unsqueeze", [lengths, self.constant(np.array([1]))])])

    def maximum_of(self, states: str) -> str:
        """(D, B, H) of (T, D, B, H), without padding."""
        is_padding = self.node("Equal", ["ids", self.constant(np.array(0))])
        like_states = self.node("Unsqueeze", [is_padding, self.constant(np.array([1, 3]))])
        below_all = self.constant(np.array(-np.inf, np.float32))
        words_alone = self.node("Where", [like_states, below_all, states])
        return self.node("ReduceMax", [words_alone], axes=[0], keepdims=0)

    def logits(self, rows: str, layer: str) -> None:
        """The graph's output (B,): the last output of a linear layer on (B, N)."""
        weight, bias = self._weights[f"{layer}.weight"][-1:], self._weights[f"{layer}.bias"][-1:]
        product = self.node("Gemm", [rows, self.constant(weight), self.constant(bias)], transB=1)
        self.node("Squeeze", [product, self.constant(np.array([1]))], output="logits")

    def serialized(self) -> bytes:
        outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B"])]
        graph = helper.make_graph(self._nodes, "network", self._inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        serialized: bytes = model.SerializeToString()
        return serialized
