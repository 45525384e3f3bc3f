"""Computes a batch on several cores: cut into groups of similar length, each computed whole by one free lane.

Every core is a lane, a thread that computes whole groups of rows by itself. The alternative, all cores inside one
LSTM, makes them wait for each other at each time step: another process that takes a part of one core then slows down
all of them, and a second OpenMP pool in the process turns each wait into a system call. Lanes lose only what the
other process takes.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from model.engines.cores import physical_cores
from model.engines.lanes import Lanes
from model.engines.packing import Ids, cut_by_length

Score = Callable[[Sequence[Ids]], NDArray[np.float64]]  # logits (B,) of B > 0 rows, the longest first, none empty

# A group's size in tokens is its rows times its longest row.
_LARGEST_GROUP_TOKENS = 8_192  # above it, activations leave the caches, and their pages are freed after each call
_SMALLEST_GROUP_TOKENS = 1_024  # below it, a product has too few rows to gain from another lane
_GROUPS_PER_LANE = 2  # so that a lane that finishes early finds more work


class GroupedEngine:
    """See `model.engines.engine.Engine`: any library that computes a group in the calling thread, in fp32."""

    def __init__(
        self,
        library: str,
        make_score: Callable[[], Score],
        guard: Callable[[str], AbstractContextManager[None]],
        *,
        threads: int | None,
        initializer: Callable[[], None] = lambda: None,
    ) -> None:
        """`guard` translates errors while what it is given is scored. `threads` None: the physical cores."""
        self._lanes = Lanes(threads or physical_cores(), initializer)
        # Another lane makes it: these would start now, with the priority of the thread that makes the engine.
        self._score = Lanes(1, initializer).submit(make_score).result()
        self._guard = guard
        self.description = f"{library} cpu fp32, {self._lanes.count} threads"
        self.tolerance = 1e-5
        self.batches_at_once = 2  # lanes that have finished one batch start on the other

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """See `Engine`."""
        group_tokens = cpu_group_tokens(rows, self._lanes.count)
        return logits_in_groups(rows, self._group_logits, lanes=self._lanes, group_tokens=group_tokens)

    def _group_logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        with self._guard(f"{len(rows)} reviews of up to {len(rows[0])} tokens"):
            return self._score(rows)


def cpu_group_tokens(rows: Sequence[Ids], lanes: int) -> int:
    """The size in tokens of a batch's groups on a CPU."""
    share = sum(map(len, rows)) // (lanes * _GROUPS_PER_LANE)
    return min(max(share, _SMALLEST_GROUP_TOKENS), _LARGEST_GROUP_TOKENS)


def logits_in_groups(rows: Sequence[Ids], score: Score, *, lanes: Lanes, group_tokens: int) -> NDArray[np.float64]:
    """Logits (B,) in the order given. Raises what `score` raises."""
    groups = cut_by_length([len(row) for row in rows], group_tokens)
    results = lanes.map(score, ([rows[i] for i in group] for group in groups))
    logits = np.empty(len(rows))
    for group, result in zip(groups, results, strict=True):
        logits[group] = result
    return logits
