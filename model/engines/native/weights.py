"""An LSTM's weights, arranged for the kernel; network.h describes the layouts.

Three things are done here once, so that no step has to do them. The first layer's product with the embedding becomes
a table with a row for each word. The units are padded to whole vectors, with units that are always 0. The z of
sigmoid gates are halved, because the kernel computes sigmoid(z) as tanh(z / 2) / 2 + 1 / 2.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.engines.packing import rounded_up
from model.network_config import Weights, lstm_bias, lstm_layer_count

Floats = NDArray[np.float32]

_HALVED: Final = np.array([0.5, 0.5, 1.0, 0.5], np.float32)  # input, forget, cell, output
_STATE_ONE: Final = 8192  # int16: the state 1.0, as in lstm.h
_TILE_UNITS, _TILE_INPUTS = 16, 64  # of a tile register's weights, as in tiles.h
_NO_TILES: Final = np.empty(0, np.uint8)
_CACHE_LINE: Final = 64
_SMALLEST: Final = 1e-30  # divisor where all weights are 0
_LARGEST_HALF: Final = 65504.0
_WORDS_AT_ONCE: Final = 4096  # of a table: bounds the part that is not yet rounded to float16


@dataclass(frozen=True, slots=True)
class Layout:
    """How the kernel reads weights at one level."""

    lanes: int  # numbers in a vector
    has_tiles: bool = False  # int16 weights are also needed in tiles

    def padded(self, units: int) -> int:
        """`units`, rounded up to whole vectors."""
        return rounded_up(units, self.lanes)


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """One layer's weights as the kernel reads them."""

    input: NDArray[Any]  # (words or 1, H / lanes, 4, lanes); float32, or float16 with int16
    weights: NDArray[Any]  # (H / lanes, inputs / group, 4, lanes, group), float32 or int16
    tiles: NDArray[np.uint8]  # (H / 16, 4, inputs / 64, 2, 16, 16, 4), or empty
    scales: Floats  # (H / lanes, 4, lanes), the value of one step of the integer products


def pack_lstm(weights: Weights, name: str, precision: str, layout: Layout) -> list[PackedLayer]:
    """The layers of the torch.nn.LSTM `name`, which reads the embedding."""
    with np.errstate(all="ignore"):  # values that are not finite appear in the results
        layers = range(lstm_layer_count(weights, name))
        return [_pack_layer(weights, name, layer, precision, layout) for layer in layers]


def _pack_layer(weights: Weights, name: str, layer: int, precision: str, layout: Layout) -> PackedLayer:
    lanes = layout.lanes
    w_ih = _by_gate(weights[f"{name}.weight_ih_l{layer}"])
    w_hh = _by_gate(weights[f"{name}.weight_hh_l{layer}"])
    bias = _by_gate(lstm_bias(weights, name, layer))
    units = layout.padded(w_hh.shape[1])
    bias_row = _in_blocks(_filled(bias, units), lanes).ravel()
    recurrent = _filled(w_hh, units, units)
    table_type = np.float16 if precision == "int16" else np.float32
    if layer == 0:
        columns = _in_blocks(_filled(w_ih, units), lanes).reshape(4 * units, -1).T
        table = _table(weights["embedding.weight"], np.ascontiguousarray(columns), bias_row, table_type)
    else:
        recurrent = np.concatenate([_filled(w_ih, units, units), recurrent], axis=2)
        table = _rounded(bias_row[np.newaxis], table_type)
    if precision == "int16":
        whole, scales = _to_int16(recurrent)
        tiles = _for_tiles(whole) if layout.has_tiles else _NO_TILES
        return PackedLayer(table, _for_products(whole, lanes, group=2), tiles, _in_blocks(scales, lanes))
    ones = np.ones((4, units), np.float32)
    return PackedLayer(table, _for_products(recurrent, lanes, group=1), _NO_TILES, _in_blocks(ones, lanes))


def _by_gate(weight: Floats) -> Floats:
    """(4 H, ...) as (4, H, ...), with those of the sigmoids halved."""
    by_gate: Floats = weight.reshape(4, -1, *weight.shape[1:])
    halved: Floats = by_gate * _HALVED.reshape(4, *(1,) * (by_gate.ndim - 1))
    return halved


def _filled(weight: Floats, *sizes: int) -> Floats:
    """(4, H, ...), padded with zeros to `sizes` in the axes after the first."""
    filled = np.zeros((4, *sizes, *weight.shape[1 + len(sizes) :]), np.float32)
    filled[tuple(map(slice, weight.shape))] = weight
    return filled


def _in_blocks(weight: Floats, lanes: int) -> Floats:
    """(4, H, ...) as (H / lanes, 4, lanes, ...): the gates of one vector of units side by side."""
    return np.ascontiguousarray(weight.reshape(4, -1, lanes, *weight.shape[2:]).swapaxes(0, 1))


def _for_products(weight: NDArray[Any], lanes: int, *, group: int) -> NDArray[Any]:
    """(4, H, inputs) as (H / lanes, inputs / group, 4, lanes, group)."""
    split = weight.reshape(4, -1, lanes, weight.shape[2] // group, group)
    return np.ascontiguousarray(split.transpose(1, 3, 0, 2, 4))


def _for_tiles(weight: NDArray[np.int16]) -> NDArray[np.uint8]:
    """(4, H, inputs) as bytes (H / 16, 4, inputs / 64, 2, 16, 16, 4): gate, 64 inputs, half, 4 of them, unit, input."""
    missing = rounded_up(weight.shape[2], _TILE_INPUTS) - weight.shape[2]
    whole = np.pad(weight, ((0, 0), (0, 0), (0, missing)))
    halves = np.stack([whole >> 8, whole & 255]).astype(np.uint8)  # a negative high byte in two's complement
    split = halves.reshape(2, 4, -1, _TILE_UNITS, whole.shape[2] // _TILE_INPUTS, _TILE_INPUTS // 4, 4)
    return _aligned(split.transpose(2, 1, 4, 0, 5, 3, 6))


def _aligned(weight: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy that starts at a cache line, because otherwise every row of a tile would span two."""
    room = np.empty(weight.nbytes + _CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % _CACHE_LINE
    aligned = room[begin : begin + weight.nbytes].reshape(weight.shape)
    aligned[...] = weight
    return aligned


def _table(embedding: Floats, columns: Floats, bias: Floats, dtype: type) -> NDArray[Any]:
    """embedding @ columns + bias."""
    table: NDArray[Any] = np.empty((len(embedding), len(bias)), dtype)
    for begin in range(0, len(table), _WORDS_AT_ONCE):
        some = slice(begin, begin + _WORDS_AT_ONCE)
        table[some] = _rounded(embedding[some] @ columns + bias, dtype)
    return table


def _rounded(numbers: Floats, dtype: type) -> NDArray[Any]:
    return np.clip(numbers, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16) if dtype is np.float16 else numbers


def _to_int16(weight: Floats) -> tuple[NDArray[np.int16], Floats]:
    """The weights (4, H, inputs) in steps, and the value of a step of their sums (4, H), each per gate and unit.

    The steps are the smallest with which weights fit int16, and their sums with any states in [-1, 1] fit int32.
    """
    magnitude = np.abs(weight).astype(np.float64)
    rounding = weight.shape[2] / 2
    largest_sum = (2**31 - 1) / _STATE_ONE - rounding
    steps_per_one = np.minimum(
        32767 / np.maximum(magnitude.max(axis=2), _SMALLEST),
        largest_sum / np.maximum(magnitude.sum(axis=2), _SMALLEST),
    )
    whole = np.nan_to_num(np.rint(weight * steps_per_one[:, :, np.newaxis]))
    return whole.astype(np.int16), (1 / (steps_per_one * _STATE_ONE)).astype(np.float32)
