"""Two models on the same reviews, in numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from model.comparison import compare, mcnemar, only_one_right


def test_flips_are_named_with_the_largest_difference_first() -> None:
    found = compare(np.array([0.9, 0.45, 0.5, 0.1]), np.array([0.8, 0.55, 0.1, 0.2]))
    assert found.flips.tolist() == [2, 1]
    assert found.agreement == 0.5
    assert found.mean_difference == pytest.approx(0.175)
    assert found.max_difference == pytest.approx(0.4)


def test_of_no_reviews_nothing_differs() -> None:
    found = compare(np.empty(0), np.empty(0))
    assert (found.count, found.agreement, found.mean_difference, found.max_difference) == (0, 1.0, 0.0, 0.0)


def test_only_one_right_counts_each_models_own_hits() -> None:
    first, second = np.array([0.9, 0.9, 0.1, 0.9]), np.array([0.1, 0.8, 0.9, 0.1])
    assert only_one_right(first, second, np.array([1, 1, 1, 0])) == (1, 2)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    total = only_first + only_second
    expected = binomtest(only_first, total).pvalue if total else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_many_thousands_is_still_a_number() -> None:
    assert mcnemar(10_000, 10_000) == 1.0
    assert mcnemar(20_000, 0) == 0.0
