import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.schedule import arrivals_s

RATES = st.floats(min_value=1, max_value=10_000)
COUNTS = st.integers(min_value=0, max_value=500)


@given(RATES, COUNTS, st.integers())
def test_every_review_has_its_time_in_ascending_order(rate_per_s: float, count: int, seed: int) -> None:
    due_s = arrivals_s(rate_per_s, count, seed=seed)
    assert len(due_s) == count
    assert all(0 <= earlier <= later for earlier, later in pairwise(due_s))


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert arrivals_s(100, 50, seed=1) == arrivals_s(100, 50, seed=1)
    assert arrivals_s(100, 50, seed=1) != arrivals_s(100, 50, seed=2)


def test_gaps_are_those_of_independent_arrivals_at_the_rate_asked_for() -> None:
    gaps_s = [later - earlier for earlier, later in pairwise(arrivals_s(200, 20_000, seed=3))]
    assert statistics.fmean(gaps_s) == pytest.approx(1 / 200, rel=0.03)
    assert statistics.stdev(gaps_s) == pytest.approx(1 / 200, rel=0.05)  # exponential: as large as the mean
