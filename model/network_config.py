"""The kinds of networks, their sizes and their weights, without torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float32]]  # by the names of torch's state dict
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The production network: sizes, and the probabilities of training's dropouts."""

    vocab_size: int = 20_002  # words + padding + unknown
    embedding_dim: int = 128
    hidden_dim: int = 128  # of each direction
    word_dropout: float = 0.05  # a word is read as unknown
    embedding_dropout: float = 0.3  # an embedding channel is 0 in all words of a review
    dropout: float = 0.5  # of the pooled vector

    def __post_init__(self) -> None:
        _check_probabilities(self.word_dropout, self.embedding_dropout, self.dropout)

    def weight_shapes(self) -> Shapes:
        """The names and shapes of the network's state dict."""
        return {
            "embedding.weight": (self.vocab_size, self.embedding_dim),
            **_lstm_shapes("forward_lstm", 0, self.embedding_dim, self.hidden_dim),
            **_lstm_shapes("backward_lstm", 0, self.embedding_dim, self.hidden_dim),
            "head.weight": (1, 2 * 3 * self.hidden_dim),  # two directions, three poolings
            "head.bias": (1,),
        }


@dataclass(frozen=True, slots=True)
class SentimentRnnConfig:
    """The reference network: its constructor's arguments."""

    vocab_size: int
    output_size: int
    embedding_dim: int
    hidden_dim: int
    n_layers: int
    drop_prob: float

    def __post_init__(self) -> None:
        _check_probabilities(self.drop_prob)

    def weight_shapes(self) -> Shapes:
        """The names and shapes of the network's state dict."""
        inputs = [self.embedding_dim] + [self.hidden_dim] * (self.n_layers - 1)
        shapes: Shapes = {"embedding.weight": (self.vocab_size, self.embedding_dim)}
        for layer, input_dim in enumerate(inputs):
            shapes |= _lstm_shapes("lstm", layer, input_dim, self.hidden_dim)
        return shapes | {"fc.weight": (self.output_size, self.hidden_dim), "fc.bias": (self.output_size,)}


AnyNetworkConfig = NetworkConfig | SentimentRnnConfig


def lstm_layer_count(names: Iterable[str], name: str) -> int:
    """How many layers the LSTM `name` has, by the `names` of a network's weights."""
    return sum(key.startswith(f"{name}.weight_hh_l") for key in names)


def lstm_bias(weights: Weights, name: str, layer: int) -> NDArray[np.float32]:
    """The sum of both biases of one layer: (4 H,)."""
    return weights[f"{name}.bias_ih_l{layer}"] + weights[f"{name}.bias_hh_l{layer}"]


def _lstm_shapes(name: str, layer: int, input_dim: int, hidden_dim: int) -> Shapes:
    gates = 4 * hidden_dim
    return {
        f"{name}.weight_ih_l{layer}": (gates, input_dim),
        f"{name}.weight_hh_l{layer}": (gates, hidden_dim),
        f"{name}.bias_ih_l{layer}": (gates,),
        f"{name}.bias_hh_l{layer}": (gates,),
    }


def _check_probabilities(*probabilities: float) -> None:
    if not all(0 <= p <= 1 for p in probabilities):
        raise ValueError("a dropout must be from 0 to 1")
