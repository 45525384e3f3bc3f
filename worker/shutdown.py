"""Signals set flags; the loop does the work."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


class Stop:
    """Whether someone asked to stop, and whether they insist."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.signum: int | None = None
        self.requested_s: float | None = None  # when, of `clock`
        self.forced = False

    @property
    def requested(self) -> bool:
        """Drain and leave."""
        return self.signum is not None

    def on_signal(self, signum: int, _frame: FrameType | None = None) -> None:
        """Note a signal. Python may run this between any two bytecodes: no locks, no I/O."""
        self.forced = self.requested
        if self.requested_s is None:
            self.requested_s = self._clock()
        self.signum = signum


@contextmanager
def capture_signals() -> Iterator[Stop]:
    """Catch SIGTERM and SIGINT while inside; the previous handlers come back at the end."""
    stop = Stop()
    with handled_by(stop.on_signal, signal.SIGTERM, signal.SIGINT):
        yield stop


@contextmanager
def handled_by(handler: Handler, *signums: signal.Signals) -> Iterator[None]:
    """Let `handler` have these signals while inside; the previous handlers come back at the end."""
    previous = [(signum, signal.signal(signum, handler)) for signum in signums]
    try:
        yield
    finally:
        for signum, before in previous:
            signal.signal(signum, before)
