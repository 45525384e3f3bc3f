import pytest

from tests.bench.bars import bars
from tests.bench.figures import Growth
from tests.bench.subjects import REFERENCE, SHIPPED
from worker.commands.bench.figures import Spread


def grown_by(part: float) -> Growth:
    return Growth(10_000, first_quarter_mib=500.0, last_quarter_mib=500.0 * (1 + part), slope_kib_per_1000_reviews=0.0)


@pytest.mark.parametrize(("median", "met"), [(0.94, False), (0.95, True), (0.97, True)])
def test_the_median_against_the_engine_decides(median: float, met: bool) -> None:
    (bar,) = bars({SHIPPED: {"end_to_end_of_engine": Spread(0.1, median, 1.9)}}, None)
    assert bar.met is met
    assert f"{median:.2f} (0.10 to 1.90)" in bar.figure


@pytest.mark.parametrize(("median", "met"), [(4.1, False), (4.0, True)])
def test_latency_must_not_exceed_its_bar(median: float, met: bool) -> None:
    (bar,) = bars({SHIPPED: {"p99_of_p50_at_half_load": Spread(median, median, median)}}, None)
    assert bar.met is met
    assert "<= 4" in bar.bar


@pytest.mark.parametrize(("differing", "met"), [(0.0, True), (1.0, False)])
def test_not_one_result_of_a_peer_may_differ(differing: float, met: bool) -> None:
    (bar,) = bars({REFERENCE: {"peer_results_that_differ": Spread(differing, differing, differing)}}, None)
    assert bar.met is met


def test_a_bar_stands_only_for_the_subjects_that_it_is_set_for() -> None:
    ratio = {"of_naive": Spread(11.0, 11.0, 11.0)}
    (bar,) = bars({SHIPPED: ratio, REFERENCE: ratio, "confluent": ratio}, None)
    assert REFERENCE in bar.bar


@pytest.mark.parametrize(("part", "met"), [(-0.05, True), (0.0, True), (0.009, True), (0.02, False)])
def test_memory_may_shrink_or_stay_but_not_grow(part: float, met: bool) -> None:
    (bar,) = bars({}, grown_by(part))
    assert bar.met is met


def test_what_was_not_measured_is_no_bar() -> None:
    assert list(bars({SHIPPED: {}, REFERENCE: {}}, None)) == []
