import pytest

from tests.bench.bars import bars
from tests.bench.figures import Growth
from tests.bench.subjects import REFERENCE, SHIPPED
from worker.commands.bench.figures import Spread


@pytest.mark.parametrize(
    ("figure", "median", "met", "limit"),
    [
        ("end_to_end_of_engine", 0.94, False, ">= 0.95"),
        ("end_to_end_of_engine", 0.95, True, ">= 0.95"),
        ("end_to_end_of_engine", 0.97, True, ">= 0.95"),
        ("p99_of_p50_at_half_load", 4.1, False, "<= 4"),
        ("p99_of_p50_at_half_load", 4.0, True, "<= 4"),
        ("peer_results_that_differ", 0.0, True, "<= 0"),
        ("peer_results_that_differ", 1.0, False, "<= 0"),
    ],
)
def test_the_median_decides_whether_a_bar_is_met(figure: str, median: float, met: bool, limit: str) -> None:
    (bar,) = bars({REFERENCE: {figure: Spread(0.0, median, 9.0)}}, None)
    assert bar.met is met
    assert bar.bar.endswith(limit)
    assert f"{median:.2f} (0.00 to 9.00)" in bar.figure


def test_a_bar_stands_only_for_the_subjects_that_it_is_set_for() -> None:
    ratio = {"of_naive": Spread(11.0, 11.0, 11.0)}
    (bar,) = bars({SHIPPED: ratio, REFERENCE: ratio, "confluent": ratio}, None)
    assert REFERENCE in bar.bar


@pytest.mark.parametrize(("part", "met"), [(-0.05, True), (0.0, True), (0.009, True), (0.02, False)])
def test_memory_may_shrink_or_stay_but_not_grow(part: float, met: bool) -> None:
    (bar,) = bars({}, Growth(10_000, 500.0, 500.0 * (1 + part), 0.0))
    assert bar.met is met


def test_what_was_not_measured_is_no_bar() -> None:
    assert list(bars({SHIPPED: {}, REFERENCE: {}}, None)) == []
