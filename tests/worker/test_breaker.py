"""So many in a minute, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from worker.breaker import WINDOW_S, Breaker


def test_the_limit_is_allowed_and_one_more_is_not() -> None:
    breaker = Breaker(3)
    assert [breaker.allows(now_s) for now_s in (0.0, 1.0, 59.0, 59.9)] == [True, True, True, False]


def test_after_a_minute_there_is_room_again() -> None:
    breaker = Breaker(2)
    assert [breaker.allows(now_s) for now_s in (0.0, 30.0, 60.0, 89.0, 121.0)] == [True, True, True, False, True]


@given(limit=st.integers(1, 5), gaps_s=st.lists(st.floats(0.0, 40.0), max_size=30))
def test_an_event_is_too_many_when_the_minute_before_it_had_as_many_as_allowed(limit: int, gaps_s: list[float]) -> None:
    breaker, at_s, now_s = Breaker(limit), list[float](), 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        before = sum(now_s - earlier < WINDOW_S for earlier in at_s)
        assert breaker.allows(now_s) == (before < limit)
        at_s.append(now_s)
