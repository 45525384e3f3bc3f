"""Which reviews go together, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.works import work
from worker.scoring.batcher import Batch, Batcher, Trigger
from worker.scoring.work import Work

MAX_TOKENS = 100


def batcher(*rows: Work, max_reviews: int = 4, linger_s: float = 0.01, max_wait_s: float = 1.0) -> Batcher:
    waiting = Batcher(max_reviews=max_reviews, linger_s=linger_s, max_wait_s=max_wait_s)
    waiting.add_all(rows)
    return waiting


def taken(
    waiting: Batcher, now_s: float, *, max_tokens: int = MAX_TOKENS, idle: bool = True, draining: bool = False
) -> Batch:
    """Return the next batch, which there must be."""
    batch = waiting.take(now_s, max_tokens=max_tokens, engine_idle=idle, draining=draining)
    assert batch is not None
    return batch


def test_without_waiting_reviews_there_is_no_batch() -> None:
    assert batcher().take(5.0, max_tokens=MAX_TOKENS, engine_idle=True, draining=True) is None
    assert batcher().lingers_for(5.0) is None


def test_an_idle_engine_gets_a_batch_after_the_linger_time() -> None:
    waiting = batcher(work(5, arrived_s=60.0), work(6, arrived_s=60.009))
    assert waiting.take(60.009, max_tokens=MAX_TOKENS, engine_idle=True) is None
    assert waiting.lingers_for(60.004) == pytest.approx(0.006)
    assert taken(waiting, 60.01) == Batch((work(5, 60.0), work(6, 60.009)), Trigger.IDLE)
    assert len(waiting) == 0


def test_a_busy_engine_gets_only_full_batches() -> None:
    waiting = batcher(work(5), work(5), work(5))
    assert waiting.take(0.5, max_tokens=MAX_TOKENS, engine_idle=False) is None
    waiting.add_all([work(5, 0.5)])
    batch = taken(waiting, 0.5, idle=False)
    assert (len(batch.rows), batch.trigger) == (4, Trigger.SIZE)


def test_a_full_batch_does_not_linger() -> None:
    assert taken(batcher(*[work(5, arrived_s=1.0)] * 5), 1.0).trigger is Trigger.SIZE


def test_a_batch_never_exceeds_the_padded_tokens() -> None:
    batch = taken(batcher(work(40), work(41), work(42)), 0.0, idle=False)
    assert ([row.tokens for row in batch.rows], batch.trigger) == ([40, 41], Trigger.TOKENS)
    assert (batch.padded_tokens, batch.tokens) == (82, 81)


def test_of_reviews_of_one_length_the_oldest_leave_first() -> None:
    batch = taken(batcher(*[work(7, number=number) for number in range(9)]), 0.1)
    assert [row.record.offset for row in batch.rows] == [0, 1, 2, 3]


def test_the_trigger_is_deadline_if_the_oldest_review_is_overdue() -> None:
    assert taken(batcher(work(5, 0.0)), 1.5).trigger is Trigger.DEADLINE


def test_draining_does_not_wait_for_full_batches() -> None:
    assert taken(batcher(work(5, 0.0)), 0.0, idle=False, draining=True).trigger is Trigger.DRAIN


def test_discarded_reviews_are_removed_and_returned() -> None:
    waiting = batcher(work(1), work(2), work(3))
    assert waiting.discard(lambda row: row.tokens == 2) == [work(2)]
    assert (len(waiting), waiting.tokens) == (2, 4)


def test_a_discard_keeps_the_order_of_the_others() -> None:
    waiting = batcher(*[work(7, number=number) for number in range(4)])
    waiting.discard(lambda row: row.record.offset == 1)
    assert [row.record.offset for row in taken(waiting, 0.1).rows] == [0, 2, 3]


lengths = st.lists(st.integers(0, 60), min_size=1, max_size=60)
budgets = st.integers(1, 200)
sizes_of_a_batch = st.integers(1, 10)
waits_s = st.floats(0, 2)


@given(lengths, sizes_of_a_batch, waits_s, budgets)
def test_every_review_leaves_once_within_the_limits_and_the_oldest_is_in_each_batch(
    sizes: list[int], max_reviews: int, max_wait_s: float, max_tokens: int
) -> None:
    rows = [work(size, arrived_s=number / 10, number=number) for number, size in enumerate(sizes)]
    waiting = batcher(*rows, max_reviews=max_reviews, linger_s=0.0, max_wait_s=max_wait_s)
    left: list[Work] = []
    while (batch := waiting.take(sizes[0] + 10.0, max_tokens=max_tokens, engine_idle=True)) is not None:
        assert batch.rows[0] is next(row for row in rows if row not in left)
        assert 1 <= len(batch.rows) <= max_reviews
        assert len(batch.rows) == 1 or batch.padded_tokens <= max_tokens
        left.extend(batch.rows)
        assert waiting.tokens == sum(sizes) - sum(row.tokens for row in left)
    assert sorted(left, key=lambda row: row.record.offset) == rows


@given(lengths, budgets)
def test_the_reviews_nearest_in_length_to_the_oldest_leave_first(sizes: list[int], max_tokens: int) -> None:
    rows = [work(size, number=number) for number, size in enumerate(sizes)]
    batch = taken(batcher(*rows), 0.5, max_tokens=max_tokens)
    farthest = max(abs(row.tokens - sizes[0]) for row in batch.rows)
    assert all(abs(row.tokens - sizes[0]) >= farthest for row in rows if row not in batch.rows)


@given(lengths, sizes_of_a_batch, waits_s, budgets, st.data())
def test_an_overdue_review_waits_only_for_other_overdue_reviews(
    sizes: list[int], max_reviews: int, max_wait_s: float, max_tokens: int, data: st.DataObject
) -> None:
    rows = [work(size, arrived_s=number / 10, number=number) for number, size in enumerate(sizes)]
    now_s = max(data.draw(st.floats(0, 10)), rows[-1].arrived_s)
    waiting = batcher(*rows, max_reviews=max_reviews, linger_s=0.0, max_wait_s=max_wait_s)
    batch = taken(waiting, now_s, max_tokens=max_tokens)
    overdue = [row for row in rows if now_s - row.arrived_s >= max_wait_s]
    if batch.trigger is not Trigger.TOKENS and any(row not in batch.rows for row in overdue):
        assert all(row in (rows[0], *overdue) for row in batch.rows)
