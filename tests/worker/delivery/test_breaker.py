"""The limit on dead letters in a minute."""

from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.breaker import WINDOW_S, Breaker


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
    assert all(breaker.allows(number, 0.0) for number in range(limit))
    assert all(breaker.allows(number % limit, 1.0) for number in repeats)
    assert not breaker.allows("another", 1.0)
