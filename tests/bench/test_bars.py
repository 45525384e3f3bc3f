import pytest

from tests.bench.bars import bars
from tests.bench.figures import Growth, Spread
from tests.bench.subjects import REFERENCE, SHIPPED


def grown_by(part: float) -> Growth:
    return Growth(10_000, first_quarter_mib=500.0, last_quarter_mib=500.0 * (1 + part), slope_kib_per_1000_reviews=0.0)


@pytest.mark.parametrize(("median", "met"), [(0.84, False), (0.85, True), (0.97, True)])
def test_the_median_against_the_engine_decides(median: float, met: bool) -> None:
    (bar,) = bars({SHIPPED: {"end_to_end_of_engine": Spread(0.1, median, 1.9)}}, None)
    assert bar.met is met
    assert f"{median:.2f} (0.10 to 1.90)" in bar.figure


@pytest.mark.parametrize(("median", "met"), [(2.9, False), (3.0, True)])
def test_the_naive_consumer_is_a_bar_for_the_reference_network_alone(median: float, met: bool) -> None:
    ratios = {"end_to_end_of_naive": Spread(median, median, median)}
    (bar,) = bars({SHIPPED: ratios, REFERENCE: ratios}, None)
    assert REFERENCE in bar.bar
    assert bar.met is met


@pytest.mark.parametrize(("part", "met"), [(-0.05, True), (0.0, True), (0.009, True), (0.02, False)])
def test_memory_may_shrink_or_stay_but_not_grow(part: float, met: bool) -> None:
    (bar,) = bars({}, grown_by(part))
    assert bar.met is met


def test_what_was_not_measured_is_no_bar() -> None:
    assert list(bars({SHIPPED: {}, REFERENCE: {}}, None)) == []
