"""A batch on several lanes: cut into groups of like length, each computed whole by whichever lane is free.

Every core is a lane of its own: one thread that computes whole groups of rows by itself. The other way, all cores
inside one LSTM, makes them wait for each other at each time step: a neighbour that takes a part of one core then
slows down all of them, and a second OpenMP pool in the process turns each wait into a system call. Lanes lose what
the neighbour takes, and no more.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.engines.lanes import Lanes
from model.engines.packing import Ids, cut_by_length

# A group of rows is computed at once; its size is rows times the longest row.
_LARGEST_GROUP_TOKENS = 8_192  # above it the activations leave the caches, and their pages go back after each call
_SMALLEST_GROUP_TOKENS = 1_024  # below it a product has too few rows to be worth cutting for another lane
_GROUPS_PER_LANE = 2  # a lane that is done early finds work


def cpu_group_tokens(rows: Sequence[Ids], lanes: int) -> int:
    """How large the groups of a batch should be on a CPU."""
    share = sum(map(len, rows)) // (lanes * _GROUPS_PER_LANE)
    return min(max(share, _SMALLEST_GROUP_TOKENS), _LARGEST_GROUP_TOKENS)


def logits_in_groups(
    rows: Sequence[Ids], score: Callable[[Sequence[Ids]], NDArray[np.float64]], *, lanes: Lanes, group_tokens: int
) -> NDArray[np.float64]:
    """(B,) in the order given; `score` gets each group with its longest row first. Raises what `score` raises."""
    groups = cut_by_length([len(row) for row in rows], group_tokens)
    results = lanes.map(score, ([rows[i] for i in group] for group in groups))
    logits = np.empty(len(rows))
    for group, result in zip(groups, results, strict=True):
        logits[group] = result
    return logits
