"""The few shapes that a GPU computes in, and how a batch is cut into groups of them.

A step of an LSTM takes a GPU the same time for one row as for a few hundred, so a group costs its length for itself
and its padded size besides. Long and short rows belong together while there are few of them, and apart when there are
many. Few shapes are wanted because some are recorded (CUDA graphs), and because cuDNN has fast kernels for some
numbers of rows only.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_MOST_LENGTHS: Final = 16
_LENGTH_STEP: Final = 16
SMALL_ROWS: Final = (1, 8, 64)  # a group of up to 64 rows takes hardly longer than one row
_ROW_STEP: Final = SMALL_ROWS[-1]

_GROUP_S: Final = 0.01  # the host prepares a group while the one before is computed: several short ones overlap better
_MEMORY_SHARE: Final = 0.5  # of what is free: a second model may want to load beside this one
_LEAST_TOKEN_S: Final = 1e-12


class Shape(NamedTuple):
    """A rectangle of word ids."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        """Padding included."""
        return self.rows * self.length


class Group(NamedTuple):
    """Rows that are computed together, in a shape with room for them."""

    shape: Shape
    members: NDArray[np.intp]  # numbers of rows in the batch, the longest first


@dataclass(frozen=True, slots=True)
class Price:
    """What a group costs: each step something for itself, and something for each of its rows."""

    step_s: float
    token_s: float

    @classmethod
    def through(cls, small: tuple[Shape, float], large: tuple[Shape, float]) -> Self:
        """The price of two shapes of one length and the seconds that they took."""
        (few, length), small_s = small
        (many, _), large_s = large
        token_s = max((large_s - small_s) / ((many - few) * length), _LEAST_TOKEN_S)
        return cls(max(small_s / length - few * token_s, 0.0), token_s)


@dataclass(frozen=True, slots=True)
class Plan:
    """How batches are cut on one device."""

    price: Price
    largest_tokens: int  # of a group, padding included

    @classmethod
    def measured(cls, price: Price, *, token_bytes: float, free_bytes: int) -> Self:
        """Groups as large as time and memory allow; `token_bytes` of memory go with each token of a group."""
        in_time = _GROUP_S / price.token_s
        in_memory = _MEMORY_SHARE * free_bytes / max(token_bytes, 1.0)
        return cls(price, int(min(in_time, in_memory)))

    def most_rows(self, length: int) -> int:
        """Of a group; never fewer than a step of rows, which whoever has no memory for must learn."""
        return max(self.largest_tokens // length // _ROW_STEP, 1) * _ROW_STEP

    def cost_s(self, rows: int, length: int) -> float:
        """Of so many rows, filled up to `length`, in as few groups as may be."""
        groups = -(-rows // self.most_rows(length))
        return length * (groups * self.price.step_s + padded_rows(rows) * self.price.token_s)


# Where nothing was measured: about an H100's price in fp16, and 1 GB of activations.
UNMEASURED: Final = Plan(Price(step_s=4e-6, token_s=8e-9), largest_tokens=262_144)


def padded_lengths(max_tokens: int) -> tuple[int, ...]:
    """What rows are filled up to: at most 16 lengths, evenly spaced, the last one `max_tokens`."""
    step = _rounded_up(-(-max_tokens // _MOST_LENGTHS), _LENGTH_STEP)
    return (*range(step, max_tokens, step), max_tokens)


def padded_rows(rows: int) -> int:
    """What a group is filled up to."""
    return SMALL_ROWS[bisect_left(SMALL_ROWS, rows)] if rows <= _ROW_STEP else _rounded_up(rows, _ROW_STEP)


def cut(lengths: NDArray[np.int32], allowed: Sequence[int], plan: Plan) -> list[Group]:
    """The cheapest groups of neighbours in length, the longest first, each row in one of them.

    `lengths` are those of the rows, none above the last of `allowed`, which ascend. Groups end where the padded length
    changes, or where the plan allows no more.
    """
    order = np.argsort(-lengths, kind="stable")
    padded = np.asarray(allowed)[np.searchsorted(allowed, lengths[order])]
    groups: list[Group] = []
    for begin, end in pairwise(_cheapest_cuts(padded, plan)):
        first = begin
        while first < end:
            length = int(padded[first])
            members = order[first : min(end, first + plan.most_rows(length))]
            groups.append(Group(Shape(padded_rows(len(members)), length), members))
            first += len(members)
    return groups


def _cheapest_cuts(padded: NDArray[np.int_], plan: Plan) -> list[int]:
    """Where groups begin, and the end of the last one, for rows of these lengths, the longest first.

    The cheapest way up to a row is one group more than the cheapest way up to an earlier row.
    """
    changes = (np.flatnonzero(np.diff(padded)) + 1).tolist()
    lengths = {begin: int(padded[begin]) for begin in (0, *changes)}
    ways = [(0.0, [0])]
    for end in (*changes, len(padded)):
        cost_s, way = min((before_s + plan.cost_s(end - way[-1], lengths[way[-1]]), way) for before_s, way in ways)
        ways.append((cost_s, [*way, end]))
    return ways[-1][1]


def _rounded_up(number: int, step: int) -> int:
    return -(-number // step) * step
