"""A batch on several lanes: each row computed once, in groups of bounded size, answered in the order given."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.engines.grouping import cpu_group_tokens, logits_in_groups
from model.engines.lanes import Lanes
from model.engines.packing import Ids
from tests.support.until import until

ROWS = st.lists(
    st.lists(st.integers(1, 99), min_size=1, max_size=20).map(lambda ids: np.array(ids, np.int32)), min_size=1
)


@pytest.fixture(scope="module")
def lanes() -> Lanes:
    return Lanes(3, lambda: None)


@given(rows=ROWS, group_tokens=st.integers(20, 200))
@settings(deadline=None)
def test_each_row_is_answered_in_its_place_and_no_group_is_too_large(
    lanes: Lanes, rows: list[Ids], group_tokens: int
) -> None:
    def score(group: Sequence[Ids]) -> NDArray[np.float64]:
        assert len(group) * len(group[0]) <= group_tokens
        assert len(group[0]) == max(map(len, group))
        return np.array([row.sum() for row in group], float)

    logits = logits_in_groups(rows, score, lanes=lanes, group_tokens=group_tokens)
    assert logits.tolist() == [row.sum() for row in rows]


def test_when_a_group_fails_no_other_is_still_computing_when_the_caller_gets_the_error(lanes: Lanes) -> None:
    failed, returned = threading.Event(), threading.Event()
    overtaken: list[bool] = []

    def score(group: Sequence[Ids]) -> NDArray[np.float64]:
        if len(group[0]) == 2:
            failed.set()
            raise ZeroDivisionError
        assert failed.wait(10)
        overtaken.append(returned.wait(0.2))
        return np.zeros(len(group))

    with pytest.raises(ZeroDivisionError):
        logits_in_groups([np.ones(2, np.int32), np.ones(1, np.int32)], score, lanes=lanes, group_tokens=2)
    returned.set()
    until(lambda: len(overtaken) == 1, 10, "the other group is computed")
    assert overtaken == [False]


def test_a_small_batch_is_not_cut_and_a_large_one_gives_each_lane_work() -> None:
    def rows(count: int) -> list[Ids]:
        return [np.ones(100, np.int32)] * count

    assert cpu_group_tokens(rows(10), lanes=2) >= 10 * 100
    assert cpu_group_tokens(rows(200), lanes=2) == 200 * 100 // 4
    assert cpu_group_tokens(rows(10_000), lanes=2) < 10_000 * 100 // 4, "what is computed at once stays in the caches"
