"""A signal ends the demo once, and never between starting something and registering its cleanup."""

import os
import signal
from collections.abc import Iterator

import pytest

from deploy.demo.interrupts import SIGNALS, Interrupted, postponed, raise_on_signals, shielded_stack


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    """The demo's handlers during a test, pytest's afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    raise_on_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_demo_with_the_status_that_shells_give_it(number: int) -> None:
    with pytest.raises(Interrupted) as caught:
        send(number)
    assert caught.value.exit_status == 128 + number


def test_a_second_signal_does_not_break_into_the_cleaning_up() -> None:
    cleaned = []

    def demo() -> None:
        with shielded_stack() as stack:
            stack.callback(lambda: cleaned.append("all"))
            stack.callback(send, signal.SIGTERM)
            send(signal.SIGINT)

    with pytest.raises(Interrupted):
        demo()
    assert cleaned == ["all"]


def test_cleaning_up_after_a_good_run_is_not_interrupted_either() -> None:
    with shielded_stack() as stack:
        stack.callback(send, signal.SIGINT)


def test_a_signal_that_is_postponed_raises_when_the_step_is_done() -> None:
    done = []

    def step() -> None:
        with postponed():
            send(signal.SIGINT)
            send(signal.SIGTERM)
            done.append("step")

    with pytest.raises(Interrupted) as caught:
        step()
    assert done == ["step"]
    assert caught.value.exit_status == 130


def test_after_a_step_without_a_signal_the_next_one_raises_as_before() -> None:
    with postponed():
        pass
    with pytest.raises(Interrupted):
        send(signal.SIGTERM)
