import pytest

from tests.bench.reload import AFTER_S, BEFORE_S, rise

RELOAD_S = 15.0
DUE_S = [number / 100 for number in range(round(100 * (RELOAD_S + AFTER_S)))]


@pytest.mark.parametrize(
    ("slow_from_s", "slow_until_s", "slow_s", "found"),
    [
        (0, 0, 0, [20.0, 20.0, 20.0, 1.0, 1.0, 0.0]),
        (RELOAD_S + 1, RELOAD_S + 3, 0.05, [20.0, 50.0, 20.0, 2.5, 1.0, 2.0]),
        (0, RELOAD_S - BEFORE_S, 0.5, [20.0, 20.0, 20.0, 1.0, 1.0, 0.0]),
    ],
    ids=["a reload without an effect", "a reload that makes two seconds slow", "a slow start, which does not count"],
)
def test_latency_after_the_reload_is_compared_with_that_just_before(
    slow_from_s: float, slow_until_s: float, slow_s: float, found: list[float]
) -> None:
    waits_s = [slow_s if slow_from_s <= due < slow_until_s else 0.02 for due in DUE_S]
    assert list(rise(DUE_S, waits_s, RELOAD_S).values()) == pytest.approx(found)
