"""Signals that end the demo early, and cleanup that they do not interrupt."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal arrived. As with KeyboardInterrupt, no `except Exception` catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number  # as shells count


def raise_on_signals() -> None:
    """From now on, the first of SIGNALS raises Interrupted in the main thread; later ones are ignored.

    `make` forwards the signal that the terminal has already sent, and the second one must not interrupt the cleanup.
    """
    for number in SIGNALS:
        under_nohup = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
        if not under_nohup:
            signal.signal(number, _interrupt)


def ignore_signals() -> None:
    """From now on, SIGNALS do nothing."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def postponed() -> Iterator[None]:
    """Delay signals to the end of the block, so that it is never interrupted half-way. Keep it short."""
    arrived: list[int] = []
    ours = [number for number in SIGNALS if signal.getsignal(number) is _interrupt]
    for number in ours:
        signal.signal(number, lambda arriving, _frame: arrived.append(arriving))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _interrupt)
        if arrived:
            _interrupt(arrived[0], None)


@contextmanager
def shielded_stack() -> Iterator[ExitStack]:
    """A stack whose exit no signal interrupts; each of its steps must have a time limit."""
    with ExitStack() as stack:
        try:
            yield stack
        finally:
            ignore_signals()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    ignore_signals()
    raise Interrupted(number)
