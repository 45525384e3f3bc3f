"""The shapes of a GPU's groups: few, large enough for every row, and with the lowest cost."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.engines.shapes import SMALL_ROWS, UNMEASURED, Plan, Price, Shape, cut, padded_lengths, padded_rows

MAX_TOKENS = st.integers(1, 2_000)
PLANS = st.builds(
    Plan, st.builds(Price, st.floats(0, 1e-4), st.floats(1e-12, 1e-6)), largest_tokens=st.integers(0, 1_000_000)
)
LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=300).map(lambda lengths: np.array(lengths, np.int32))
ALLOWED = padded_lengths(400)
LARGE = Shape(512, 400)
SMALL = Shape(64, 400)


@given(max_tokens=MAX_TOKENS)
def test_there_are_few_lengths_and_every_row_fits_one_of_them(max_tokens: int) -> None:
    lengths = padded_lengths(max_tokens)
    assert len(lengths) <= 16
    assert list(lengths) == sorted(set(lengths))
    assert lengths[-1] == max_tokens
    assert all(length % 16 == 0 for length in lengths[:-1])


@given(rows=st.integers(1, 10_000))
def test_a_group_has_room_for_its_rows_and_one_of_the_sizes_that_are_fast(rows: int) -> None:
    padded = padded_rows(rows)
    assert rows <= padded < rows + 64
    assert padded in SMALL_ROWS or padded % 64 == 0
    assert padded_rows(padded) == padded


@given(lengths=LENGTHS, plan=PLANS)
def test_every_row_is_in_exactly_one_group_with_room_for_it_and_the_longest_come_first(
    lengths: np.ndarray, plan: Plan
) -> None:
    groups = cut(lengths, ALLOWED, plan)
    rows = np.concatenate([group.members for group in groups])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert lengths[rows].tolist() == sorted(lengths.tolist(), reverse=True)
    for shape, members in groups:
        assert len(members) <= shape.rows == padded_rows(len(members))
        assert lengths[members].max() <= shape.length
        assert shape.length in ALLOWED


@given(lengths=LENGTHS, plan=PLANS)
def test_a_group_is_no_larger_than_allowed_or_has_the_least_number_of_rows(lengths: np.ndarray, plan: Plan) -> None:
    assert all(
        shape.tokens <= plan.largest_tokens or shape.rows <= SMALL_ROWS[-1] for shape, _ in cut(lengths, ALLOWED, plan)
    )


@given(buckets=st.dictionaries(st.sampled_from(ALLOWED[:6]), st.integers(1, 200), min_size=1), plan=PLANS)
def test_no_other_way_to_cut_between_lengths_is_cheaper(buckets: dict[int, int], plan: Plan) -> None:
    """Compared with all possible cuts."""
    ordered = sorted(buckets.items(), reverse=True)
    lengths = np.repeat([length for length, _ in ordered], [rows for _, rows in ordered]).astype(np.int32)

    def cost_s(cuts: tuple[int, ...]) -> float:
        edges = [0, *cuts, len(ordered)]
        spans = [ordered[begin:end] for begin, end in itertools.pairwise(edges)]
        return sum(plan.cost_s(sum(rows for _, rows in span), span[0][0]) for span in spans)

    between = range(1, len(ordered))
    cheapest_s = min(cost_s(cuts) for n in range(len(ordered)) for cuts in itertools.combinations(between, n))
    found_s = sum(plan.cost_s(len(members), shape.length) for shape, members in cut(lengths, ALLOWED, plan))
    assert found_s <= cheapest_s * (1 + 1e-9)


def test_a_few_rows_of_different_lengths_stay_together_and_many_are_cut() -> None:
    few = np.array([400, 10] * 20, np.int32)
    many = np.array([400, 10] * 2_000, np.int32)
    assert len(cut(few, ALLOWED, UNMEASURED)) == 1
    assert {group.shape.length for group in cut(many, ALLOWED, UNMEASURED)} == {400, 32}


@given(step_s=st.floats(1e-7, 1e-4), token_s=st.floats(1e-10, 1e-7))
def test_a_price_is_found_again_in_what_two_shapes_took(step_s: float, token_s: float) -> None:
    took_s = {shape: shape.length * step_s + shape.tokens * token_s for shape in (SMALL, LARGE)}
    found = Price.through((SMALL, took_s[SMALL]), (LARGE, took_s[LARGE]))
    assert found.step_s == pytest.approx(step_s, rel=1e-3, abs=1e-10)
    assert found.token_s == pytest.approx(token_s, rel=1e-3)


@given(small_s=st.floats(0, 1), large_s=st.floats(0, 1))
def test_a_disturbed_measurement_still_gives_a_price_that_can_be_used(small_s: float, large_s: float) -> None:
    price = Price.through((SMALL, small_s), (LARGE, large_s))
    assert price.step_s >= 0
    assert price.token_s > 0


def test_groups_are_as_large_as_time_and_memory_allow() -> None:
    price = Price(step_s=0, token_s=1e-8)
    assert Plan.measured(price, token_bytes=4_096, free_bytes=2**40).largest_tokens == pytest.approx(1_000_000, abs=1)
    assert Plan.measured(price, token_bytes=4_096, free_bytes=2**30).largest_tokens == 2**17
    assert Plan.measured(price, token_bytes=0, free_bytes=2**40).largest_tokens > 0
