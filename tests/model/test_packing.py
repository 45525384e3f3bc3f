"""Rows as rectangles: all ids are kept, with little padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.engines.packing import cut_by_length, pack, pad_left, pad_right

LENGTHS = st.lists(st.integers(1, 400), max_size=60)
BUDGET = st.integers(1, 2_000)
ROWS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=6)


@given(lengths=LENGTHS, budget=BUDGET)
def test_every_row_is_in_exactly_one_group_and_the_longest_come_first(lengths: list[int], budget: int) -> None:
    rows = [row for group in cut_by_length(lengths, budget) for row in group]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)


@given(lengths=LENGTHS, budget=BUDGET)
def test_a_group_with_its_padding_is_within_the_budget_or_is_one_row(lengths: list[int], budget: int) -> None:
    for group in cut_by_length(lengths, budget):
        assert len(group) == 1 or len(group) * max(lengths[row] for row in group) <= budget


@given(lengths=LENGTHS, budget=BUDGET)
def test_no_group_ends_while_the_next_row_would_fit(lengths: list[int], budget: int) -> None:
    groups = cut_by_length(lengths, budget)
    for group in groups[:-1]:
        assert (len(group) + 1) * lengths[group[0]] > budget


@given(rows=ROWS)
def test_padding_is_only_behind_or_before_the_row(rows: list[list[int]]) -> None:
    arrays = [np.array(row, np.int32) for row in rows]
    width = max(map(len, rows))
    assert pad_right(arrays).tolist() == [row + [0] * (width - len(row)) for row in rows]
    assert pad_left(arrays).tolist() == [[0] * (width - len(row)) + row for row in rows]


@given(rows=ROWS, more=st.integers(0, 3))
def test_packed_rows_are_their_lengths_and_then_their_ids_whatever_was_there_before(
    rows: list[list[int]], more: int
) -> None:
    arrays = [np.array(row, np.int32) for row in rows]
    out = np.full(200, 99, np.int32)
    end = pack(arrays, len(rows) + more, out)
    assert out[:end].tolist() == [*map(len, rows), *[0] * more, *(word for row in rows for word in row)]
    assert (out[end:] == 99).all()
