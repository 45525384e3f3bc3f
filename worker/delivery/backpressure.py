"""How much the worker holds, and when to pause fetching. Pure.

A record is held from when it is read until the broker has stored its result. Partitions are paused, but polling goes
on, because a consumer that does not poll loses its membership.
"""

from typing import Final

RESUME_BELOW: Final = 0.75  # at 0.5 the batcher had fewer reviews to choose from, and the worker was 3 % slower


class Backpressure:
    """Counts what is held. Fetching pauses when it is full, and resumes when it is less than three quarters full."""

    def __init__(self, *, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self.records = 0
        self.size_bytes = 0
        self.paused = False

    @property
    def room_records(self) -> int:
        """How many more records may be read."""
        return max(0, self._max_records - self.records)

    def hold(self, records: int, size_bytes: int) -> None:
        """Count more records."""
        self.records += records
        self.size_bytes += size_bytes

    def release(self, records: int, size_bytes: int) -> None:
        """Count records that are finished or dropped."""
        self.records -= records
        self.size_bytes -= size_bytes

    def changed(self) -> bool:
        """Update `paused`; return whether it changed."""
        fill = max(self.records / self._max_records, self.size_bytes / self._max_bytes)
        was, self.paused = self.paused, fill >= (RESUME_BELOW if self.paused else 1.0)
        return was != self.paused
