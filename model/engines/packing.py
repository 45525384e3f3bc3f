"""Rows of different lengths, side by side for an engine: padded to a rectangle, or packed without padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]


def cut_by_length(lengths: Sequence[int], max_padded_tokens: int) -> list[list[int]]:
    """Groups of row numbers, each row once, neighbours in length together, the longest first.

    A group's rows times its longest length is at most `max_padded_tokens`, but for a single row that is longer.
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
    """Ids (B, longest), each row followed by zeros."""
    matrix = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for line, row in zip(matrix, rows, strict=True):
        line[: len(row)] = row
    return matrix


def pad_left(rows: Sequence[Ids]) -> NDArray[np.int64]:
    """Ids (B, longest), zeros before each row."""
    matrix = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for line, row in zip(matrix, rows, strict=True):
        line[len(line) - len(row) :] = row
    return matrix


def pack(rows: Sequence[Ids], lines: int, out: NDArray[np.int32]) -> int:
    """Write the lengths of `rows`, zeros up to `lines` of them, then all ids; return how much of `out` that is."""
    out[: len(rows)] = [len(row) for row in rows]
    out[len(rows) : lines] = 0
    end = lines + sum(map(len, rows))
    np.concatenate(rows, out=out[lines:end])
    return end
