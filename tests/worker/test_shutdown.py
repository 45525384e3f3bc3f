"""Signals are recorded, and nothing else."""

import os
import signal

from worker.shutdown import capture_signals


def test_the_first_signal_requests_a_stop_and_the_second_forces_it() -> None:
    with capture_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.requested, stop.forced) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.requested, stop.forced, stop.signum) == (True, True, signal.SIGINT)


def test_the_previous_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with capture_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
