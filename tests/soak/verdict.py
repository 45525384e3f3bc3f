"""Whether a worker has grown. Pure.

The first third of a run is for warming up; the medians of the two others are compared, so that neither a single
probe's thread nor the wave of the load counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from tests.soak.gauges import Sample

MOST_MEMORY_GROWTH = 0.02  # of it: what Linux counts as resident is never quite still
GAUGES = ("memory_mib", "threads", "files", "series")


class Growth(NamedTuple):
    """One gauge of one worker."""

    worker: str
    gauge: str
    before: float
    after: float

    @property
    def allowed(self) -> bool:
        """Whether it counts as flat."""
        room = self.before * MOST_MEMORY_GROWTH if self.gauge == "memory_mib" else 0
        return self.after <= self.before + room


def growths(samples: Mapping[str, Sequence[Sample]]) -> Iterator[Growth]:
    """Compare the second third of the run with the last, for each worker and gauge. Raises ValueError: too short."""
    for worker, taken in samples.items():
        third_s = max(one.at_s for one in taken) / 3
        middle = [one for one in taken if third_s <= one.at_s < 2 * third_s]
        last = [one for one in taken if one.at_s >= 2 * third_s]
        if not middle:
            raise ValueError(f"{worker}: {len(taken)} samples are too few for a verdict")
        for gauge in GAUGES:
            before, after = (median(getattr(one, gauge) for one in part) for part in (middle, last))
            yield Growth(worker, gauge, before, after)
