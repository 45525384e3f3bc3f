import pytest

from tests.bench.reload import AFTER_S, BEFORE_S, Rise, rise

RELOAD_S = 15.0
DUE_S = [number / 100 for number in range(round(100 * (RELOAD_S + AFTER_S)))]


def waits_s(slow_from_s: float, slow_until_s: float, slow_s: float) -> list[float]:
    return [slow_s if slow_from_s <= due < slow_until_s else 0.02 for due in DUE_S]


def test_a_reload_that_nobody_feels_changes_nothing() -> None:
    assert rise(DUE_S, [0.02] * len(DUE_S), RELOAD_S) == Rise(20.0, 20.0, 20.0, 1.0, 1.0, 0.0)


def test_the_seconds_that_a_reload_made_slow_are_reported() -> None:
    found = rise(DUE_S, waits_s(RELOAD_S + 1, RELOAD_S + 3, 0.05), RELOAD_S)
    assert found.near_times == pytest.approx(2.5)
    assert (found.after_times, found.slow_seconds) == (1.0, 2.0)


def test_a_start_that_was_slow_is_not_compared_with() -> None:
    assert rise(DUE_S, waits_s(0, RELOAD_S - BEFORE_S, 0.5), RELOAD_S).before_ms == pytest.approx(20.0)
