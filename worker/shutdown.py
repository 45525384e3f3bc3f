"""Signal handlers only set flags. The loop reads them."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


class Stop:
    """Whether a signal asked the worker to stop, and whether a second one forced it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.signum: int | None = None
        self.requested_s: float | None = None  # when, of `clock`
        self.forced = False

    @property
    def requested(self) -> bool:
        """Whether the worker must drain and exit."""
        return self.signum is not None

    def on_signal(self, signum: int, _frame: FrameType | None = None) -> None:
        """Record a signal. Python may call this between any two bytecodes, so it takes no lock and does no I/O."""
        self.forced = self.requested
        if self.requested_s is None:
            self.requested_s = self._clock()
        self.signum = signum


@contextmanager
def capture_signals() -> Iterator[Stop]:
    """Record SIGTERM and SIGINT inside the `with` block; then restore the previous handlers."""
    stop = Stop()
    with handled_by(stop.on_signal, signal.SIGTERM, signal.SIGINT):
        yield stop


@contextmanager
def handled_by(handler: Handler, *signums: signal.Signals) -> Iterator[None]:
    """Call `handler` for these signals inside the `with` block; then restore the previous handlers."""
    previous = [(signum, signal.signal(signum, handler)) for signum in signums]
    try:
        yield
    finally:
        for signum, before in previous:
            signal.signal(signum, before)
