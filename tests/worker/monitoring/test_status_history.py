"""The last 15 minutes: all of them is kept and nothing older, and quantiles are within 10 %."""

import itertools
from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.monitoring.status.history import LATENCY_BOUNDS, SLOT_S, SLOTS, History, merged

BEGAN_S = 1000.0
KEPT_S = SLOT_S * SLOTS
EXACT = 0.1

latency_lists = st.lists(st.floats(0.001, 1_000_000.0), min_size=1, max_size=200)
# Seconds since the one before, results, dead letters; in all up to four times the span that is kept.
events = st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(0, 50), st.integers(0, 5)), max_size=60)


def filled(adds: list[tuple[float, int, int]]) -> tuple[History, float]:
    """A history with these counts, each added this many seconds after the one before, and the time of the last."""
    history, now_s = History(BEGAN_S), BEGAN_S
    for after_s, scored, dead in adds:
        now_s += after_s
        history.add(now_s, scored=scored, dead_letters=dead, latencies_s=[0.1] * scored)
    return history, now_s


@given(events, st.floats(0.0, 2 * KEPT_S))
def test_each_slot_counts_what_was_added_in_its_time(adds: list[tuple[float, int, int]], later_s: float) -> None:
    history, now_s = filled(adds)
    added, at_s = Counter[tuple[float, str]](), BEGAN_S
    for after_s, scored, dead in adds:
        at_s += after_s
        began_s = BEGAN_S + (at_s - BEGAN_S) // SLOT_S * SLOT_S
        added.update({(began_s, "scored"): scored, (began_s, "dead"): dead})
    for period in history.periods(now_s + later_s):
        assert (period.scored, period.dead_letters) == (added[period.began_s, "scored"], added[period.began_s, "dead"])
        assert period.latencies.total() == period.scored


@given(events, st.floats(0.0, 2 * KEPT_S))
def test_the_slots_follow_one_another_up_to_now(adds: list[tuple[float, int, int]], later_s: float) -> None:
    history, now_s = filled(adds)
    periods = history.periods(now_s + later_s)
    assert len(periods) <= SLOTS + 1
    assert periods[-1].ended_s == now_s + later_s
    for before, after in itertools.pairwise(periods):
        assert before.ended_s == after.began_s
    assert periods[0].began_s == BEGAN_S or periods[-1].ended_s - periods[0].began_s >= KEPT_S


@given(latency_lists, st.floats(0.01, 1.0))
def test_a_quantile_is_within_ten_percent_of_the_exact_one(latencies: list[float], below: float) -> None:
    history = History(BEGAN_S)
    history.add(BEGAN_S, scored=len(latencies), dead_letters=0, latencies_s=latencies)
    estimated = merged(history.periods(BEGAN_S)).quantile_s(below)
    exact = sorted(latencies)[ceil(below * len(latencies)) - 1]
    assert estimated == pytest.approx(exact, rel=EXACT)


@given(st.lists(latency_lists, min_size=1, max_size=5))
def test_merged_slots_equal_one_slot_with_the_same_results(parts: list[list[float]]) -> None:
    separate, in_one = History(BEGAN_S), History(BEGAN_S)
    for number, part in enumerate(parts):
        separate.add(BEGAN_S + number * SLOT_S, scored=len(part), dead_letters=1, latencies_s=part)
        in_one.add(BEGAN_S, scored=len(part), dead_letters=1, latencies_s=part)
    whole, one = merged(separate.periods(BEGAN_S + len(parts) * SLOT_S)), merged(in_one.periods(BEGAN_S))
    assert (whole.scored, whole.dead_letters, whole.latencies) == (one.scored, one.dead_letters, one.latencies)


@pytest.mark.parametrize(("latency_s", "nearest"), [(0.0, LATENCY_BOUNDS[0]), (1e9, LATENCY_BOUNDS[-1])])
def test_a_latency_outside_the_buckets_counts_as_the_nearest_bound(latency_s: float, nearest: float) -> None:
    history = History(BEGAN_S)
    history.add(BEGAN_S, scored=1, dead_letters=0, latencies_s=[latency_s])
    assert history.periods(BEGAN_S)[0].quantile_s(0.5) == nearest


def test_without_results_there_is_no_latency_and_no_throughput() -> None:
    [period] = History(BEGAN_S).periods(BEGAN_S)
    assert (period.quantile_s(0.5), period.scored_per_s) == (None, 0.0)


def test_throughput_counts_only_the_time_that_has_passed() -> None:
    history = History(BEGAN_S)
    history.add(BEGAN_S + 1, scored=40, dead_letters=0, latencies_s=[])
    assert [period.scored_per_s for period in history.periods(BEGAN_S + 2)] == [20.0]


def test_the_periods_that_are_read_are_copies() -> None:
    history = History(BEGAN_S)
    read = history.periods(BEGAN_S)
    history.add(BEGAN_S, scored=1, dead_letters=1, latencies_s=[1.0])
    assert (read[0].scored, read[0].latencies.total()) == (0, 0)
    read[0].scored = 7
    assert history.periods(BEGAN_S)[0].scored == 1


def test_the_ring_does_not_grow() -> None:
    history = History(BEGAN_S)
    for number in range(10 * SLOTS):
        history.add(BEGAN_S + number * SLOT_S, scored=1, dead_letters=0, latencies_s=[number + 0.5])
    assert merged(history.periods(BEGAN_S + (10 * SLOTS - 1) * SLOT_S)).scored == SLOTS + 1
    assert len(vars(history)["_ring"]) == SLOTS + 1
