"""The estimated prices of the engine, and the budget of a batch."""

from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.scoring.pricing import SHARE_OF_TARGET, Budget, PriceFit, Prices, Pricing, Why

MAX_TOKENS = 100_000
PRICES = Prices(batch_s=0.004, token_s=2e-6)
SIZES = (200, 6_000, 1_500, 30_000, 12_000)

sizes = st.integers(0, 10_000_000)
times_s = st.floats(0, 1000)
batches = st.lists(st.tuples(sizes, times_s), min_size=1, max_size=50)
some_prices = st.builds(Prices, batch_s=st.floats(1e-4, 0.02), token_s=st.floats(1e-6, 1e-4))


def fit(*observed: tuple[int, float]) -> PriceFit:
    fitted = PriceFit()
    for padded_tokens, took_s in observed:
        fitted.observe(padded_tokens, took_s)
    return fitted


def prices_of(fitted: PriceFit) -> Prices:
    assert fitted.prices is not None
    return fitted.prices


def computed(prices: Prices, batches: int) -> list[tuple[int, float]]:
    """Return batches of various sizes and their times."""
    return [(size, prices.time_s(size)) for size in islice(cycle(SIZES), batches)]


def pricing(target_s: float | None, *, learnt: Prices | None = PRICES) -> Pricing:
    """Return a Pricing that has observed an engine with these prices."""
    prices = Pricing(max_tokens=MAX_TOKENS, target_s=target_s)
    for batch in computed(learnt, 200) if learnt else []:
        prices.observe(*batch)
    return prices


# The prices


def test_both_prices_are_found_if_batches_differ_in_size() -> None:
    found = prices_of(fit(*computed(PRICES, 200)))
    assert found.batch_s == pytest.approx(PRICES.batch_s, rel=0.05)
    assert found.token_s == pytest.approx(PRICES.token_s, rel=0.05)


@given(batches)
def test_prices_are_finite_and_never_negative(observed: list[tuple[int, float]]) -> None:
    found = prices_of(fit(*observed))
    assert 0 <= found.batch_s < 1e4
    assert 0 <= found.token_s < 1e4


@given(sizes, st.floats(1e-6, 1000), st.integers(1, 300))
def test_if_all_batches_have_one_size_the_time_is_right_and_the_tokens_get_all_of_it(
    size: int, took_s: float, count: int
) -> None:
    found = prices_of(fit(*[(size, took_s)] * count))
    assert found.time_s(size) == pytest.approx(took_s, rel=1e-6)
    assert found.batch_s == (pytest.approx(0, abs=1e-6 * took_s) if size else pytest.approx(took_s))


@given(some_prices, st.floats(0.1, 10))
def test_prices_follow_a_change_of_the_engines_speed(before: Prices, by: float) -> None:
    after = Prices(before.batch_s * by, before.token_s * by)
    found = prices_of(fit(*computed(before, 100), *computed(after, 400)))
    assert found.time_s(10_000) == pytest.approx(after.time_s(10_000), rel=0.1)


@given(some_prices, st.integers(0, 12_000), st.floats(1, 1e4))
def test_one_slow_batch_hardly_changes_the_prices(prices: Prices, size: int, by: float) -> None:
    found = prices_of(fit(*computed(prices, 100), (size, by * prices.time_s(size))))
    for other in SIZES[1:]:
        assert found.time_s(other) == pytest.approx(prices.time_s(other), rel=0.2)


# The budget


def test_without_a_target_a_batch_may_be_as_large_as_allowed() -> None:
    budget = pricing(None).choose(50)
    assert (budget.tokens, budget.why, budget.target_s) == (MAX_TOKENS, Why.FIXED, None)
    assert budget.prices is not None, "the metrics show them"


def test_with_a_target_the_first_batch_may_be_as_large_as_allowed() -> None:
    assert pricing(0.1, learnt=None).choose(50) == Budget(MAX_TOKENS, Why.LEARNING, 0.1, None)


@given(st.floats(0.04, 0.7), st.integers(0, 5000))
def test_a_batch_takes_its_share_of_the_target(target_s: float, waiting_tokens: int) -> None:
    budget = pricing(target_s).choose(waiting_tokens)
    assert budget.why is Why.TARGET
    assert budget.prices is not None
    assert budget.prices.time_s(budget.tokens) == pytest.approx(SHARE_OF_TARGET * target_s, rel=0.01)
    assert PRICES.time_s(budget.tokens) == pytest.approx(SHARE_OF_TARGET * target_s, rel=0.05)


@given(st.integers(0, 10**9), st.floats(1e-3, 600), batches)
def test_a_budget_is_between_one_token_and_the_maximum(
    waiting_tokens: int, target_s: float, observed: list[tuple[int, float]]
) -> None:
    prices = pricing(target_s, learnt=None)
    for batch in observed:
        prices.observe(*batch)
    assert 1 <= prices.choose(waiting_tokens).tokens <= MAX_TOKENS


def test_a_worker_behind_its_target_gets_the_largest_batches() -> None:
    prices = pricing(0.1)
    assert prices.choose(waiting_tokens=47_000).why is Why.TARGET
    behind = prices.choose(waiting_tokens=50_000)  # 104 ms of work
    assert (behind.tokens, behind.why) == (MAX_TOKENS, Why.BEHIND)


def test_a_target_below_the_fixed_price_still_leaves_half_of_the_time_to_tokens() -> None:
    budget = pricing(0.005).choose(waiting_tokens=100)
    assert PRICES.time_s(budget.tokens) == pytest.approx(2 * PRICES.batch_s, rel=0.1)


@settings(deadline=None)
@given(some_prices, st.floats(9.0, 100.0), st.integers(50, MAX_TOKENS))
def test_the_budget_settles_even_if_all_batches_have_its_size(prices: Prices, times: float, first: int) -> None:
    """The two prices cannot be distinguished then, but each batch shows whether its budget was right."""
    target_s = times * prices.time_s(1)
    learning = Pricing(max_tokens=10**9, target_s=target_s)
    size = first
    for _ in range(500):
        learning.observe(size, prices.time_s(size))
        size = learning.choose(waiting_tokens=0).tokens
    assert prices.time_s(size) == pytest.approx(SHARE_OF_TARGET * target_s, rel=0.05, abs=prices.token_s)
