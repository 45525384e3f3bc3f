"""The limit on dead letters in a minute."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.breaker import WINDOW_S, Breaker


def allowed(breaker: Breaker, *at_s: float) -> list[bool]:
    """Return the answers for different records, one at each time."""
    return [breaker.allows(record, now_s) for record, now_s in zip(count(), at_s, strict=False)]


def test_the_limit_is_allowed_and_one_more_is_not() -> None:
    assert allowed(Breaker(3), 0.0, 1.0, 59.0, 59.9) == [True, True, True, False]


def test_after_a_minute_more_are_allowed() -> None:
    assert allowed(Breaker(2), 0.0, 30.0, 60.0, 89.0, 121.0) == [True, True, True, False, True]


@given(limit=st.integers(1, 5), gaps_s=st.lists(st.floats(0.0, 40.0), max_size=30))
def test_a_dead_letter_is_one_too_many_if_the_minute_before_had_the_limit(limit: int, gaps_s: list[float]) -> None:
    breaker, at_s, now_s = Breaker(limit), list[float](), 0.0
    for record, gap_s in enumerate(gaps_s):
        now_s += gap_s
        before = sum(now_s - earlier < WINDOW_S for earlier in at_s)
        assert breaker.allows(record, now_s) == (before < limit)
        at_s.append(now_s)


@given(limit=st.integers(1, 5), repeats=st.lists(st.integers(0, 4), max_size=30))
def test_a_repeated_record_counts_once(limit: int, repeats: list[int]) -> None:
    breaker = Breaker(limit)
    assert all(allowed(breaker, *[0.0] * limit))
    assert all(breaker.allows(number % limit, 1.0) for number in repeats)
    assert not breaker.allows("another", 1.0)
