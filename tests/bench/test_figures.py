import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.figures import (
    FIGURES,
    NotMeasurable,
    Resident,
    Spread,
    growth,
    percentile,
    rate_per_s,
    spreads,
    with_ratios,
)

VALUES = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=200)
PERCENTS = st.floats(min_value=0.01, max_value=100)


@given(VALUES, PERCENTS)
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    below = [value for value in values if value < found]
    assert len(below) < len(values) * percent / 100


def test_percentiles_of_a_hundred_values_are_these_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]


@given(VALUES)
def test_a_spread_goes_from_the_least_to_the_greatest_with_the_median_between(values: list[float]) -> None:
    spread = Spread.of(values)
    assert (spread.min, spread.max) == (min(values), max(values))
    assert spread.min <= spread.median <= spread.max


def test_a_rate_does_not_count_what_was_done_before_its_first_time_stamp() -> None:
    assert rate_per_s([1000, 1000, 1000, 2000, 3000, 3000]) == 3 / 2


def test_the_order_of_time_stamps_does_not_matter_for_a_rate() -> None:
    assert rate_per_s([3000, 1000, 2000]) == rate_per_s([1000, 2000, 3000])


@pytest.mark.parametrize("stamps_ms", [[], [5], [5, 5, 5]])
def test_results_that_came_at_once_have_no_rate(stamps_ms: list[int]) -> None:
    with pytest.raises(NotMeasurable, match="measure more reviews"):
        rate_per_s(stamps_ms)


def test_ratios_are_taken_within_one_round() -> None:
    measured = {"engine_text_reviews_per_s": 400.0, "naive_reviews_per_s": 90.0, "end_to_end_reviews_per_s": 360.0}
    assert with_ratios(measured) == {**measured, "end_to_end_of_engine": 0.9, "end_to_end_of_naive": 4.0}


def test_a_ratio_is_left_out_when_a_side_of_it_was_not_measured() -> None:
    assert with_ratios({"end_to_end_reviews_per_s": 360.0}) == {"end_to_end_reviews_per_s": 360.0}
    assert with_ratios({"naive_reviews_per_s": 90.0}) == {"naive_reviews_per_s": 90.0}


def test_rounds_are_summed_up_by_figure_in_the_order_of_the_report() -> None:
    rounds = [
        {"latency_p50_ms": 9.0, "naive_reviews_per_s": 3.0},
        {"naive_reviews_per_s": 1.0},
        {"naive_reviews_per_s": 2.0},
    ]
    summary = spreads(rounds)
    assert summary == {"naive_reviews_per_s": Spread(1.0, 2.0, 3.0), "latency_p50_ms": Spread(9.0, 9.0, 9.0)}
    assert list(summary) == [name for name in FIGURES if name in summary]


def test_memory_that_stays_does_not_grow() -> None:
    found = growth([Resident(1000 * step, 500.0) for step in range(1, 51)], warm_up_part=0.2)
    assert (found.first_quarter_mib, found.last_quarter_mib, found.ratio) == (500.0, 500.0, 0.0)
    assert found.slope_kib_per_1000_reviews == pytest.approx(0.0)
    assert found.warm_up_results == 10_000


def test_memory_that_leaks_a_kibibyte_a_review_shows_it_as_the_slope() -> None:
    samples = [Resident(1000 * step, 500.0 + 1000 * step / 1024) for step in range(1, 51)]
    found = growth(samples, warm_up_part=0.2)
    assert found.slope_kib_per_1000_reviews == pytest.approx(1000.0)
    assert found.last_quarter_mib > found.first_quarter_mib
    assert found.ratio == pytest.approx(found.last_quarter_mib / found.first_quarter_mib - 1)


def test_growth_during_the_warm_up_does_not_count() -> None:
    samples = [Resident(step, 100.0 if step <= 10 else 500.0) for step in range(1, 51)]
    assert growth(samples, warm_up_part=0.2).ratio == 0.0


def test_too_few_looks_at_memory_say_nothing() -> None:
    with pytest.raises(NotMeasurable, match="measure more reviews"):
        growth([Resident(step, 500.0) for step in range(9)], warm_up_part=0.2)
