"""Rows of different lengths, arranged for an engine: padded to a rectangle, or packed without padding."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model.network_config import Weights, lstm_bias, lstm_layer_count

Ids = NDArray[np.int32]


def rounded_up(number: int, step: int) -> int:
    """The smallest multiple of `step` that is at least `number`."""
    return -(-number // step) * step


def cut_by_length(lengths: Sequence[int], max_padded_tokens: int) -> list[list[int]]:
    """Groups of row numbers, each row once, rows of similar length together, the longest first.

    A group's rows times its longest length is at most `max_padded_tokens`; a longer row is a group by itself.
    """
    groups: list[list[int]] = []
    width = 0
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if not groups or width * (len(groups[-1]) + 1) > max_padded_tokens:
            groups.append([])
            width = lengths[row]
        groups[-1].append(row)
    return groups


def pad_right(rows: Sequence[Ids]) -> NDArray[np.int64]:
    """Ids (B, longest) int64, each row followed by zeros; at least one column. B > 0."""
    matrix = np.zeros((len(rows), max(1, *map(len, rows))), np.int64)
    for line, row in zip(matrix, rows, strict=True):
        line[: len(row)] = row
    return matrix


def pad_left(rows: Sequence[Ids], width: int | None = None) -> NDArray[np.int64]:
    """Ids (B, `width`) int64, zeros before each row; `width` None: the longest row. ValueError for a longer row."""
    matrix = np.zeros((len(rows), max(map(len, rows)) if width is None else width), np.int64)
    for line, row in zip(matrix, rows, strict=True):
        line[max(len(line) - len(row), 0) :] = row
    return matrix


def pack(rows: Sequence[Ids], lines: int, out: NDArray[np.int32]) -> int:
    """Write the lengths of `rows`, filled up with zeros to `lines`, then all ids; return the end in `out`."""
    out[: len(rows)] = [len(row) for row in rows]
    out[len(rows) : lines] = 0
    end = lines + sum(map(len, rows))
    np.concatenate(rows, out=out[lines:end])
    return end


def states_after_padding(weights: Weights, name: str, steps: int) -> NDArray[np.float32]:
    """Hidden and cell states of the LSTM `name` after 0, 1, ... `steps` ids 0: (steps + 1, layers, 2, H) float32."""
    layers, units = lstm_layer_count(weights, name), weights[f"{name}.weight_hh_l0"].shape[1]
    states = np.zeros((steps + 1, layers, 2, units), np.float32)
    with np.errstate(all="ignore"):  # values that are not finite appear in the results
        for before, after in pairwise(states):
            x = weights["embedding.weight"][0]
            for layer in range(layers):
                h, c = before[layer]
                z = weights[f"{name}.weight_ih_l{layer}"] @ x + weights[f"{name}.weight_hh_l{layer}"] @ h
                i, f, g, o = (z + lstm_bias(weights, name, layer)).reshape(4, units)
                c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
                x = _sigmoid(o) * np.tanh(c)
                after[layer] = x, c
    return states


def _sigmoid(z: NDArray[np.float32]) -> NDArray[np.float32]:
    half = np.float32(0.5)
    return np.asarray(half * np.tanh(half * z) + half, np.float32)
