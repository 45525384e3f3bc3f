"""Signals set flags; the loop does the work."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether someone asked to stop, and whether they insist."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.forced = False

    @property
    def requested(self) -> bool:
        """Drain and leave."""
        return self.signum is not None

    def on_signal(self, signum: int, _frame: FrameType | None = None) -> None:
        """Note a signal. Python may run this between any two bytecodes: no locks, no I/O."""
        self.forced = self.requested
        self.signum = signum


@contextmanager
def capture_signals() -> Iterator[Stop]:
    """Catch SIGTERM and SIGINT while inside; the previous handlers come back at the end."""
    stop = Stop()
    previous = {signum: signal.signal(signum, stop.on_signal) for signum in _SIGNALS}
    try:
        yield stop
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
