"""Which reviews go together, and when."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.batcher import Batch, Batcher, BatchLimits, Trigger


@dataclass(frozen=True)
class Row:
    """A waiting review of `tokens` words."""

    tokens: int
    arrived_s: float = 0.0
    number: int = 0


MAX_TOKENS = 100
LIMITS = BatchLimits(max_reviews=4, linger_s=0.01, max_wait_s=1.0)


def batcher(*rows: Row, limits: BatchLimits = LIMITS) -> Batcher[Row]:
    waiting: Batcher[Row] = Batcher(limits)
    waiting.add_all(rows)
    return waiting


def test_nothing_waiting_makes_no_batch() -> None:
    assert batcher().take(5.0, max_tokens=MAX_TOKENS, engine_idle=True, draining=True) is None
    assert batcher().lingers_for(5.0) is None


def test_an_idle_engine_gets_what_waits_once_the_oldest_has_lingered() -> None:
    waiting = batcher(Row(5, arrived_s=60.0), Row(6, arrived_s=60.009))
    assert waiting.take(60.009, max_tokens=MAX_TOKENS, engine_idle=True) is None
    assert waiting.lingers_for(60.004) == pytest.approx(0.006)
    assert waiting.take(60.01, max_tokens=MAX_TOKENS, engine_idle=True) == Batch(
        (Row(5, 60.0), Row(6, 60.009)), Trigger.IDLE
    )
    assert len(waiting) == 0


def test_a_busy_engine_is_kept_waiting_for_a_full_batch() -> None:
    waiting = batcher(Row(5), Row(5), Row(5))
    assert waiting.take(0.5, max_tokens=MAX_TOKENS, engine_idle=False) is None
    waiting.add_all([Row(5, 0.5)])
    batch = waiting.take(0.5, max_tokens=MAX_TOKENS, engine_idle=False)
    assert batch is not None
    assert (len(batch.rows), batch.trigger) == (4, Trigger.SIZE)


def test_a_full_batch_does_not_linger() -> None:
    batch = batcher(*[Row(5, arrived_s=1.0)] * 5).take(1.0, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert batch.trigger is Trigger.SIZE


def test_the_padded_tokens_are_counted_before_a_review_is_added() -> None:
    batch = batcher(Row(40), Row(41), Row(42)).take(0.0, max_tokens=MAX_TOKENS, engine_idle=False)
    assert batch is not None
    assert ([row.tokens for row in batch.rows], batch.trigger) == ([40, 41], Trigger.TOKENS)
    assert batch.padded_tokens == 82
    assert batch.tokens == 81


def test_a_review_longer_than_the_budget_goes_alone_instead_of_blocking_the_queue() -> None:
    batch = batcher(Row(500), Row(3)).take(0.0, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert [row.tokens for row in batch.rows] == [500]


def test_the_oldest_takes_those_of_like_length_along() -> None:
    waiting = batcher(Row(20), Row(1), Row(90), Row(21), Row(19), Row(2), Row(22))
    batch = waiting.take(0.1, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert sorted(row.tokens for row in batch.rows) == [19, 20, 21, 22]


def test_of_one_length_the_oldest_go_first() -> None:
    waiting = batcher(*[Row(7, number=number) for number in range(9)])
    batch = waiting.take(0.1, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert [row.number for row in batch.rows] == [0, 1, 2, 3]


def test_a_review_passed_over_for_too_long_goes_before_those_of_like_length() -> None:
    limits = BatchLimits(max_reviews=2, linger_s=0.0, max_wait_s=1.0)
    waiting = batcher(Row(20, 0.0), Row(90, 0.1), Row(20, 0.9), limits=limits)
    batch = waiting.take(1.2, max_tokens=1000, engine_idle=True)
    assert batch is not None
    assert [row.tokens for row in batch.rows] == [20, 90]


def test_an_idle_batch_led_by_an_overdue_review_says_so() -> None:
    batch = batcher(Row(5, 0.0)).take(1.5, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert batch.trigger is Trigger.DEADLINE


def test_draining_lets_everything_go_whether_or_not_the_engine_is_busy() -> None:
    batch = batcher(Row(5, 0.0)).take(0.0, max_tokens=MAX_TOKENS, engine_idle=False, draining=True)
    assert batch is not None
    assert batch.trigger is Trigger.DRAIN


def test_discarded_reviews_are_returned_and_wait_no_more() -> None:
    waiting = batcher(Row(1), Row(2), Row(3))
    assert waiting.discard(lambda row: row.tokens == 2) == [Row(2)]
    assert (len(waiting), waiting.tokens) == (2, 4)


def test_what_is_left_after_a_discard_keeps_its_order() -> None:
    waiting = batcher(*[Row(7, number=number) for number in range(4)])
    waiting.discard(lambda row: row.number == 1)
    batch = waiting.take(0.1, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert [row.number for row in batch.rows] == [0, 2, 3]


lengths = st.lists(st.integers(0, 60), min_size=1, max_size=60)
limits = st.builds(
    BatchLimits,
    max_reviews=st.integers(1, 10),
    linger_s=st.just(0.0),
    max_wait_s=st.floats(0, 2),
)
budgets = st.integers(1, 200)


@given(lengths, limits, budgets)
def test_every_review_leaves_exactly_once_within_the_limits_and_the_oldest_always_goes(
    sizes: list[int], limits: BatchLimits, max_tokens: int
) -> None:
    rows = [Row(size, arrived_s=number / 10, number=number) for number, size in enumerate(sizes)]
    waiting = batcher(*rows, limits=limits)
    left: list[Row] = []
    while (batch := waiting.take(sizes[0] + 10.0, max_tokens=max_tokens, engine_idle=True)) is not None:
        assert batch.rows[0] == min(set(rows) - set(left), key=lambda row: row.number)
        assert 1 <= len(batch.rows) <= limits.max_reviews
        assert len(batch.rows) == 1 or batch.padded_tokens <= max_tokens
        left.extend(batch.rows)
        assert waiting.tokens == sum(sizes) - sum(row.tokens for row in left)
    assert sorted(left, key=lambda row: row.number) == rows


@given(lengths, budgets)
def test_no_review_left_behind_is_nearer_in_length_to_the_oldest_than_one_that_goes(
    sizes: list[int], max_tokens: int
) -> None:
    rows = [Row(size, number=number) for number, size in enumerate(sizes)]
    batch = batcher(*rows).take(0.5, max_tokens=max_tokens, engine_idle=True)
    assert batch is not None
    farthest = max(abs(row.tokens - sizes[0]) for row in batch.rows)
    assert all(abs(row.tokens - sizes[0]) >= farthest for row in set(rows) - set(batch.rows))


@given(lengths, limits, budgets, st.data())
def test_an_overdue_review_is_left_behind_only_for_others_that_are_overdue(
    sizes: list[int], limits: BatchLimits, max_tokens: int, data: st.DataObject
) -> None:
    rows = [Row(size, arrived_s=number / 10, number=number) for number, size in enumerate(sizes)]
    now_s = data.draw(st.floats(0, 10))
    now_s = max(now_s, rows[-1].arrived_s)
    batch = batcher(*rows, limits=limits).take(now_s, max_tokens=max_tokens, engine_idle=True)
    assert batch is not None
    overdue = {row for row in rows if now_s - row.arrived_s >= limits.max_wait_s}
    if batch.trigger is not Trigger.TOKENS and overdue - set(batch.rows):
        assert set(batch.rows) <= overdue | {rows[0]}
