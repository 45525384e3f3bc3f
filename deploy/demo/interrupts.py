"""Signals that end the demo early, and cleaning up that they do not interrupt."""

import signal
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal arrived; like KeyboardInterrupt, and no `except Exception` takes it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number  # as shells count


def raise_on_signals() -> None:
    """From now on the first of SIGNALS raises Interrupted in the main thread; the others are ignored.

    `make` passes on what the terminal has sent already: a second signal must not break into the cleaning up.
    """
    for number in SIGNALS:
        if (
            number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        ):  # else it is `nohup` that we run under
            signal.signal(number, _interrupt)


def ignore_signals() -> None:
    """From now on SIGNALS do nothing."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Shielded(ExitStack):
    """An ExitStack whose end no signal cuts short; every step of it has to be bounded."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        ignore_signals()
        return super().__exit__(kind, error, trace)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    ignore_signals()
    raise Interrupted(number)
