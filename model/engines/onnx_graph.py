"""Both networks as ONNX graphs, built from an artifact's weights: word ids in, logits out.

Every graph has the inputs `ids` (T, B) int64 and others that its builder names, and the output `logits` (B,) float32.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model.network_config import SentimentRnnConfig, Weights

_OPSET, _IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12

Lstm = tuple[str, int]  # the name under which the state dict knows it, and the layer
Shape = Sequence[int | str]


def bilstm_graph(weights: Weights) -> bytes:
    """The production network. Right-padded ids; `lengths` (B,) int32, all positive."""
    graph = _Graph(weights)
    graph.input("ids", TensorProto.INT64, ["T", "B"])
    graph.input("lengths", TensorProto.INT32, ["B"])
    # ONNX's LSTM knows lengths: the backward direction begins at a row's last word, and states of padding are 0.
    states, last, _ = graph.lstm(graph.words(), [("forward_lstm", 0), ("backward_lstm", 0)], lengths="lengths")
    pooled = [graph.mean_of(states), graph.maximum_of(states), last]  # each (2, B, H)
    by_row = graph.node("Transpose", [graph.node("Concat", pooled, axis=2)], perm=[1, 0, 2])
    graph.logits(graph.node("Flatten", [by_row]), "head")  # (B, 6 H)
    return graph.serialized()


def sentiment_rnn_graph(config: SentimentRnnConfig, weights: Weights) -> bytes:
    """The reference network, without its sigmoid. Left-padded ids, going on from `hidden` and `cell` (L, B, H).

    The outputs `next_hidden` and `next_cell` are the states at the last step.
    """
    graph = _Graph(weights)
    graph.input("ids", TensorProto.INT64, ["T", "B"])
    state_shape: Shape = [config.n_layers, "B", config.hidden_dim]
    for state in ("hidden", "cell"):
        graph.input(state, TensorProto.FLOAT, state_shape)
        graph.output(f"next_{state}", state_shape)
    words, hiddens, cells = graph.words(), [], []
    for layer in range(config.n_layers):
        initial = [graph.slice(state, layer) for state in ("hidden", "cell")]
        states, hidden, cell = graph.lstm(words, [("lstm", layer)], initial=initial)
        words = graph.node("Squeeze", [states, graph.constant(np.array([1]))])
        hiddens.append(hidden)
        cells.append(cell)
    graph.logits(graph.node("Squeeze", [hiddens[-1], graph.constant(np.array([0]))]), "fc")
    graph.node("Concat", hiddens, output="next_hidden", axis=0)
    graph.node("Concat", cells, output="next_cell", axis=0)
    return graph.serialized()


class _Graph:
    """A graph under construction. Values are known by their names."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Shape) -> None:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def output(self, name: str, shape: Shape) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def words(self) -> str:
        """(T, B, E)."""
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
        """Torch stacks the gates as input, forget, cell, output; ONNX as input, output, forget, cell."""
        name, layer = direction
        i, f, c, o = np.split(self._weights[f"{name}.{part}_l{layer}"], 4)
        return np.concatenate([i, o, f, c])

    def mean_of(self, states: str) -> str:
        """(D, B, H) of (T, D, B, H): the sum of states, those of padding being 0, by the length."""
        total = self.node("ReduceSum", [states, self.constant(np.array([0]))], keepdims=0)
        lengths = self.node("Cast", ["lengths"], to=TensorProto.FLOAT)
        return self.node("Div", [total, self.node("Unsqueeze", [lengths, self.constant(np.array([1]))])])

    def maximum_of(self, states: str) -> str:
        """(D, B, H) of (T, D, B, H), padding left out."""
        is_padding = self.node("Equal", ["ids", self.constant(np.array(0))])
        like_states = self.node("Unsqueeze", [is_padding, self.constant(np.array([1, 3]))])
        below_all = self.constant(np.array(-np.inf, np.float32))
        words_alone = self.node("Where", [like_states, below_all, states])
        return self.node("ReduceMax", [words_alone], axes=[0], keepdims=0)

    def logits(self, rows: str, layer: str) -> None:
        """(B,): the last output of a linear layer on (B, N)."""
        weight, bias = self._weights[f"{layer}.weight"][-1:], self._weights[f"{layer}.bias"][-1:]
        product = self.node("Gemm", [rows, self.constant(weight), self.constant(bias)], transB=1)
        self.node("Squeeze", [product, self.constant(np.array([1]))], output="logits")
        self.output("logits", ["B"])

    def serialized(self) -> bytes:
        graph = helper.make_graph(self._nodes, "network", self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        serialized: bytes = model.SerializeToString()
        return serialized
