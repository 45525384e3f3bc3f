"""Waiting for a condition, bounded. No other file under tests/ sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
RETRY_S = 0.02


def until(condition: Callable[[], T | None], limit_s: float, what: str) -> T:
    """The first true answer of `condition`; fails with `what` was waited for when there is none within `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while not (answer := condition()):
        if time.monotonic() > deadline_s:
            raise AssertionError(f"waited {limit_s:g} s in vain for: {what} (last answer: {answer!r})")
        time.sleep(RETRY_S)
    return answer


def let_pass(duration_s: float) -> None:
    """Wait so long: for a fault that lasts, never in the hope that something has happened by then."""
    end_s = time.monotonic() + duration_s
    until(lambda: time.monotonic() >= end_s, duration_s + 1, f"{duration_s:g} s are over")
