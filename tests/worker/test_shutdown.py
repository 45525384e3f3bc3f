"""Signals are noted, and nothing else."""

import os
import signal

from worker.shutdown import capture_signals


def test_the_first_signal_asks_and_the_second_insists_whichever_they_are() -> None:
    with capture_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.requested, stop.forced) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.requested, stop.forced, stop.signum) == (True, True, signal.SIGINT)


def test_the_previous_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with capture_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
