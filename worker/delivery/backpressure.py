"""How much the worker holds, and when to stop fetching. Pure.

Held is everything read whose result the broker has not acknowledged: waiting, computing, or in the producer.
Partitions are paused rather than not polled, since polling is what keeps the group membership.
"""

from dataclasses import dataclass
from typing import Final

RESUME_BELOW: Final = 0.75  # at 0.5 the batcher had less to choose from, and the worker lost 3 % of its pace


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """The memory that reviews may take."""

    records: int
    size_bytes: int


class Backpressure:
    """Counts what is held. Two thresholds, so that fetching does not flap: full, and less than three quarters full."""

    def __init__(self, limits: HoldLimits) -> None:
        self._limits = limits
        self.records = 0
        self.size_bytes = 0
        self.paused = False

    @property
    def room_records(self) -> int:
        """How many more records may be read."""
        return max(0, self._limits.records - self.records)

    def hold(self, records: int, size_bytes: int) -> None:
        """Count more records."""
        self.records += records
        self.size_bytes += size_bytes

    def release(self, records: int, size_bytes: int) -> None:
        """Count records that are done with."""
        self.records -= records
        self.size_bytes -= size_bytes

    def changed(self) -> bool:
        """Decide anew whether fetching is paused; whether that changed anything."""
        fill = max(self.records / self._limits.records, self.size_bytes / self._limits.size_bytes)
        was, self.paused = self.paused, fill >= (RESUME_BELOW if self.paused else 1.0)
        return was != self.paused
