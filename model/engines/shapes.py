"""The few shapes that a GPU computes, and how a batch is cut into groups of them.

A step of an LSTM takes a GPU the same time for one row as for a few hundred, so a group's cost has a part for its
length and a part for its padded size. Long and short rows are computed together while they are few, and apart when
they are many. The shapes are few because some are recorded (CUDA graphs), and because cuDNN has fast kernels only
for some numbers of rows.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model.engines.packing import rounded_up

_MOST_LENGTHS: Final = 16
_LENGTH_STEP: Final = 16
SMALL_ROWS: Final = (1, 8, 64)  # a group of 64 rows takes hardly longer than one row
_ROW_STEP: Final = SMALL_ROWS[-1]

_GROUP_S: Final = 0.01  # the host prepares a group while the previous one is computed: short ones overlap better
_MEMORY_SHARE: Final = 0.5  # of the free memory, because a second model may be loaded beside this one
_LEAST_TOKEN_S: Final = 1e-12


class Shape(NamedTuple):
    """A rectangle of word ids."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        """The number of ids, padding included."""
        return self.rows * self.length


class RowGroup(NamedTuple):
    """Rows that are computed together, in a shape with room for them."""

    shape: Shape
    members: NDArray[np.intp]  # row numbers in the batch, the longest first


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of a group: a fixed time per step, and a time per token."""

    step_s: float
    token_s: float

    @classmethod
    def through(cls, small: tuple[Shape, float], large: tuple[Shape, float]) -> Self:
        """The price that fits two shapes of one length and the seconds that they took."""
        (few, length), small_s = small
        (many, _), large_s = large
        token_s = max((large_s - small_s) / ((many - few) * length), _LEAST_TOKEN_S)
        return cls(max(small_s / length - few * token_s, 0.0), token_s)


@dataclass(frozen=True, slots=True)
class Plan:
    """How batches are cut on one device."""

    price: Price
    largest_tokens: int  # in a group, padding included

    @classmethod
    def measured(cls, price: Price, *, token_bytes: float, free_bytes: int) -> Self:
        """Groups as large as time and memory allow; a group takes `token_bytes` of memory per token."""
        in_time = _GROUP_S / price.token_s
        in_memory = _MEMORY_SHARE * free_bytes / max(token_bytes, 1.0)
        return cls(price, int(min(in_time, in_memory)))

    def most_rows(self, length: int) -> int:
        """The most rows of a group of this length; at least one step of rows, even if memory is too small for it."""
        return max(self.largest_tokens // length // _ROW_STEP, 1) * _ROW_STEP

    def cost_s(self, rows: int, length: int) -> float:
        """The seconds for this many rows, padded to `length`, in as few groups as possible."""
        groups = -(-rows // self.most_rows(length))
        return length * (groups * self.price.step_s + padded_rows(rows) * self.price.token_s)


# The default without a measurement: about an H100's price in fp16, and 1 GB of activations.
UNMEASURED: Final = Plan(Price(step_s=4e-6, token_s=8e-9), largest_tokens=262_144)


def padded_lengths(max_tokens: int) -> tuple[int, ...]:
    """The lengths that rows are padded to: at most 16, evenly spaced, the last one `max_tokens`."""
    step = rounded_up(-(-max_tokens // _MOST_LENGTHS), _LENGTH_STEP)
    return (*range(step, max_tokens, step), max_tokens)


def padded_rows(rows: int) -> int:
    """The number of rows that a group of `rows` is padded to."""
    return SMALL_ROWS[bisect_left(SMALL_ROWS, rows)] if rows <= _ROW_STEP else rounded_up(rows, _ROW_STEP)


def cut(lengths: NDArray[np.int32], allowed: Sequence[int], plan: Plan) -> list[RowGroup]:
    """The cheapest groups of rows of similar length, the longest first, each row in one of them.

    `lengths` (B,) are at most the last of the ascending `allowed`. Groups end where the padded length changes, or
    where the plan allows no more.
    """
    order = np.argsort(-lengths, kind="stable")
    padded = np.asarray(allowed)[np.searchsorted(allowed, lengths[order])]
    groups: list[RowGroup] = []
    for begin, end in pairwise(_cheapest_cuts(padded, plan)):
        first = begin
        while first < end:
            length = int(padded[first])
            members = order[first : min(end, first + plan.most_rows(length))]
            groups.append(RowGroup(Shape(padded_rows(len(members)), length), members))
            first += len(members)
    return groups


def _cheapest_cuts(padded: NDArray[np.int_], plan: Plan) -> list[int]:
    """Where groups begin, and the end of the last one, for rows of these lengths, the longest first.

    The cheapest groups up to a row are the cheapest ones up to an earlier row, and one more group.
    """
    changes = (np.flatnonzero(np.diff(padded)) + 1).tolist()
    lengths = {begin: int(padded[begin]) for begin in (0, *changes)}
    ways = [(0.0, [0])]
    for end in (*changes, len(padded)):
        cost_s, way = min((before_s + plan.cost_s(end - way[-1], lengths[way[-1]]), way) for before_s, way in ways)
        ways.append((cost_s, [*way, end]))
    return ways[-1][1]
