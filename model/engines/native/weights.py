"""An LSTM's weights, arranged for the kernel; see network.h for the layouts.

Three things are done once here so that no step has to do them. The first layer's product with the embedding becomes
a table with a row for each word. The units are filled up to whole vectors by ones that are always 0. The z of
sigmoid gates are halved: the kernel computes sigmoid(z) as tanh(z / 2) / 2 + 1 / 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]

_HALVED: Final = np.array([0.5, 0.5, 1.0, 0.5], np.float32)  # input, forget, cell, output
_STATE_ONE: Final = 8192  # int16: the state 1.0, as in lstm.h
_SMALLEST: Final = 1e-30  # divides where all weights are 0
_LARGEST_HALF: Final = 65504.0
_WORDS_AT_ONCE: Final = 4096  # of the table: what is not yet rounded to float16 stays small


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """What the kernel reads of one layer."""

    input: NDArray[Any]  # (words or 1, blocks, 4, lanes); float32, or float16 with int16
    weights: NDArray[Any]  # (blocks, inputs / group, 4, lanes, group), float32 or int16
    scales: Floats  # (blocks, 4, lanes), what one step of the integer products is worth


def pack_lstm(weights: Weights, name: str, embedding: Floats, *, precision: str, lanes: int) -> list[PackedLayer]:
    """The layers of `name`, a torch.nn.LSTM in the state dict `weights`, that reads rows of `embedding` (V, E)."""
    with np.errstate(all="ignore"):  # what is not finite shows in the result
        return [
            _pack_layer(weights, f"{name}.{{}}_l{layer}", embedding if layer == 0 else None, precision, lanes)
            for layer in range(layer_count(weights, name))
        ]


def layer_count(weights: Weights, name: str) -> int:
    """How many layers the LSTM `name` has."""
    return sum(key.startswith(f"{name}.weight_hh_l") for key in weights)


def padded(units: int, lanes: int) -> int:
    """`units`, filled up to whole vectors."""
    return -(-units // lanes) * lanes


def states_after_zeros(weights: Weights, name: str, steps: int) -> Floats:
    """Hidden and cell states of `name` after reading id 0 for 0, 1, ... `steps` times: (steps + 1, layers, 2, H)."""
    layers = layer_count(weights, name)
    units = weights[f"{name}.weight_hh_l0"].shape[1]
    states = np.zeros((steps + 1, layers, 2, units), np.float32)
    with np.errstate(all="ignore"):
        for step in range(steps):
            x = weights["embedding.weight"][0]
            for layer in range(layers):
                gates = (
                    weights[f"{name}.weight_ih_l{layer}"] @ x
                    + weights[f"{name}.weight_hh_l{layer}"] @ states[step, layer, 0]
                    + weights[f"{name}.bias_ih_l{layer}"]
                    + weights[f"{name}.bias_hh_l{layer}"]
                )
                i, f, g, o = gates.reshape(4, units)
                cell = _sigmoid(f) * states[step, layer, 1] + _sigmoid(i) * np.tanh(g)
                x = _sigmoid(o) * np.tanh(cell)
                states[step + 1, layer] = x, cell
    return states


def _sigmoid(z: Floats) -> Floats:
    return np.float32(0.5) * np.tanh(np.float32(0.5) * z) + np.float32(0.5)


def _pack_layer(weights: Weights, name: str, embedding: Floats | None, precision: str, lanes: int) -> PackedLayer:
    """One layer; `name` lacks the kind of weight. It reads `embedding`, or the states of the layer below it."""
    w_ih, w_hh = (_by_gate(weights[name.format(kind)]) for kind in ("weight_ih", "weight_hh"))  # (4, H, inputs)
    bias = _by_gate(weights[name.format("bias_ih")] + weights[name.format("bias_hh")])
    units = padded(w_hh.shape[1], lanes)
    bias_row = _in_blocks(_fill(bias, units), lanes).ravel()
    if embedding is None:
        recurrent = np.concatenate([_fill(w_ih, units, units), _fill(w_hh, units, units)], axis=2)
        table = bias_row[np.newaxis]
    else:
        recurrent = _fill(w_hh, units, units)
        columns = _in_blocks(_fill(w_ih, units), lanes).reshape(4 * units, -1).T
        table = _table(embedding, np.ascontiguousarray(columns), bias_row, np.float16 if precision == "int16" else np.float32)
    if precision == "fp32":
        return PackedLayer(table, _for_products(recurrent, lanes, group=1), np.ones((units // lanes, 4, lanes), np.float32))
    whole, scales = _to_int16(recurrent)
    return PackedLayer(_to_half(table), _for_products(whole, lanes, group=2), _in_blocks(scales, lanes))


def _by_gate(weight: Floats) -> Floats:
    """(4 H, ...) as (4, H, ...), the sigmoids' halved."""
    split = weight.reshape(4, -1, *weight.shape[1:])
    return split * _HALVED.reshape(4, *(1,) * (split.ndim - 1))


def _fill(weight: Floats, *sizes: int) -> Floats:
    """Zeros behind the second and later axes of (4, H, ...), up to `sizes`."""
    missing = [(0, wanted - size) for size, wanted in zip(weight.shape[1:], sizes, strict=False)]
    return np.pad(weight, [(0, 0), *missing, *[(0, 0)] * (weight.ndim - 1 - len(sizes))])


def _in_blocks(weight: Floats, lanes: int) -> Floats:
    """(4, H, ...) as (H / lanes, 4, lanes, ...): the gates of a vector of units stand side by side."""
    split = weight.reshape(4, -1, lanes, *weight.shape[2:])
    return np.ascontiguousarray(split.swapaxes(0, 1))


def _for_products(weight: NDArray[Any], lanes: int, *, group: int) -> NDArray[Any]:
    """(4, H, inputs) as (H / lanes, inputs / group, 4, lanes, group)."""
    _, units, inputs = weight.shape
    split = weight.reshape(4, units // lanes, lanes, inputs // group, group)
    return np.ascontiguousarray(split.transpose(1, 3, 0, 2, 4))


def _table(embedding: Floats, columns: Floats, bias: Floats, dtype: type) -> NDArray[Any]:
    table = np.empty((len(embedding), columns.shape[1]), dtype)
    for begin in range(0, len(table), _WORDS_AT_ONCE):
        rows = embedding[begin : begin + _WORDS_AT_ONCE] @ columns + bias
        table[begin : begin + _WORDS_AT_ONCE] = _to_half(rows) if dtype is np.float16 else rows
    return table


def _to_half(numbers: NDArray[Any]) -> NDArray[np.float16]:
    return np.clip(numbers, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16, copy=False)


def _to_int16(weight: Floats) -> tuple[NDArray[np.int16], Floats]:
    """Each unit's and gate's weights (4, H, inputs) in steps of its own, and what a step of its sums is worth.

    The steps are as small as int16 and the sum in int32 allow, whatever the states in [-1, 1] are.
    """
    magnitude = np.abs(weight).astype(np.float64)
    rounding = weight.shape[2] / 2
    steps_per_one = np.minimum(
        32767 / np.maximum(magnitude.max(axis=2), _SMALLEST),
        ((2**31 - 1) / _STATE_ONE - rounding) / np.maximum(magnitude.sum(axis=2), _SMALLEST),
    )
    whole = np.nan_to_num(np.rint(weight * steps_per_one[:, :, np.newaxis]), posinf=0, neginf=0)
    return whole.astype(np.int16), (1 / (steps_per_one * _STATE_ONE)).astype(np.float32)
