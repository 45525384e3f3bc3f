"""Which reviews go together, and when."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.batcher import Batch, Batcher, BatchLimits, Trigger


@dataclass(frozen=True)
class Queued:
    """A waiting review of `tokens` words."""

    tokens: int
    arrived_s: float = 0.0
    number: int = 0


MAX_TOKENS = 100
LIMITS = BatchLimits(max_reviews=4, linger_s=0.01, max_wait_s=1.0)


def batcher(*rows: Queued, limits: BatchLimits = LIMITS) -> Batcher[Queued]:
    waiting: Batcher[Queued] = Batcher(limits)
    waiting.add_all(rows)
    return waiting


def test_without_waiting_reviews_there_is_no_batch() -> None:
    assert batcher().take(5.0, max_tokens=MAX_TOKENS, engine_idle=True, draining=True) is None
    assert batcher().lingers_for(5.0) is None


def test_an_idle_engine_gets_a_batch_after_the_linger_time() -> None:
    waiting = batcher(Queued(5, arrived_s=60.0), Queued(6, arrived_s=60.009))
    assert waiting.take(60.009, max_tokens=MAX_TOKENS, engine_idle=True) is None
    assert waiting.lingers_for(60.004) == pytest.approx(0.006)
    assert waiting.take(60.01, max_tokens=MAX_TOKENS, engine_idle=True) == Batch(
        (Queued(5, 60.0), Queued(6, 60.009)), Trigger.IDLE
    )
    assert len(waiting) == 0


def test_a_busy_engine_gets_only_full_batches() -> None:
    waiting = batcher(Queued(5), Queued(5), Queued(5))
    assert waiting.take(0.5, max_tokens=MAX_TOKENS, engine_idle=False) is None
    waiting.add_all([Queued(5, 0.5)])
    batch = waiting.take(0.5, max_tokens=MAX_TOKENS, engine_idle=False)
    assert batch is not None
    assert (len(batch.rows), batch.trigger) == (4, Trigger.SIZE)


def test_a_full_batch_does_not_linger() -> None:
    batch = batcher(*[Queued(5, arrived_s=1.0)] * 5).take(1.0, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert batch.trigger is Trigger.SIZE


def test_a_batch_never_exceeds_the_padded_tokens() -> None:
    batch = batcher(Queued(40), Queued(41), Queued(42)).take(0.0, max_tokens=MAX_TOKENS, engine_idle=False)
    assert batch is not None
    assert ([row.tokens for row in batch.rows], batch.trigger) == ([40, 41], Trigger.TOKENS)
    assert batch.padded_tokens == 82
    assert batch.tokens == 81


def test_a_review_longer_than_the_budget_leaves_alone() -> None:
    batch = batcher(Queued(500), Queued(3)).take(0.0, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert [row.tokens for row in batch.rows] == [500]


def test_a_batch_has_the_oldest_review_and_those_of_similar_length() -> None:
    waiting = batcher(
        Queued(20),
        Queued(1),
        Queued(90),
        Queued(21),
        Queued(19),
        Queued(2),
        Queued(22),
    )
    batch = waiting.take(0.1, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert sorted(row.tokens for row in batch.rows) == [19, 20, 21, 22]


def test_of_reviews_of_one_length_the_oldest_leave_first() -> None:
    waiting = batcher(*[Queued(7, number=number) for number in range(9)])
    batch = waiting.take(0.1, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert [row.number for row in batch.rows] == [0, 1, 2, 3]


def test_an_overdue_review_leaves_before_those_of_similar_length() -> None:
    limits = BatchLimits(max_reviews=2, linger_s=0.0, max_wait_s=1.0)
    waiting = batcher(Queued(20, 0.0), Queued(90, 0.1), Queued(20, 0.9), limits=limits)
    batch = waiting.take(1.2, max_tokens=1000, engine_idle=True)
    assert batch is not None
    assert [row.tokens for row in batch.rows] == [20, 90]


def test_the_trigger_is_deadline_if_the_oldest_review_is_overdue() -> None:
    batch = batcher(Queued(5, 0.0)).take(1.5, max_tokens=MAX_TOKENS, engine_idle=True)
    assert batch is not None
    assert batch.trigger is Trigger.DEADLINE


def test_draining_does_not_wait_for_full_batches() -> None:
    batch = batcher(Queued(5, 0.0)).take(0.0, max_tokens=MAX_TOKENS, engine_idle=False, draining=True)
    assert batch is not None
    assert batch.trigger is Trigger.DRAIN


def test_discarded_reviews_are_removed_and_returned() -> None:
    waiting = batcher(Queued(1), Queued(2), Queued(3))
    assert waiting.discard(lambda row: row.tokens == 2) == [Queued(2)]
    assert (len(waiting), waiting.tokens) == (2, 4)


def test_a_discard_keeps_the_order_of_the_others() -> None:
    waiting = batcher(*[Queued(7, number=number) for number in range(4)])
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
def test_every_review_leaves_once_within_the_limits_and_the_oldest_is_in_each_batch(
    sizes: list[int], limits: BatchLimits, max_tokens: int
) -> None:
    rows = [Queued(size, arrived_s=number / 10, number=number) for number, size in enumerate(sizes)]
    waiting = batcher(*rows, limits=limits)
    left: list[Queued] = []
    while (batch := waiting.take(sizes[0] + 10.0, max_tokens=max_tokens, engine_idle=True)) is not None:
        assert batch.rows[0] == min(set(rows) - set(left), key=lambda row: row.number)
        assert 1 <= len(batch.rows) <= limits.max_reviews
        assert len(batch.rows) == 1 or batch.padded_tokens <= max_tokens
        left.extend(batch.rows)
        assert waiting.tokens == sum(sizes) - sum(row.tokens for row in left)
    assert sorted(left, key=lambda row: row.number) == rows


@given(lengths, budgets)
def test_the_reviews_nearest_in_length_to_the_oldest_leave_first(sizes: list[int], max_tokens: int) -> None:
    rows = [Queued(size, number=number) for number, size in enumerate(sizes)]
    batch = batcher(*rows).take(0.5, max_tokens=max_tokens, engine_idle=True)
    assert batch is not None
    farthest = max(abs(row.tokens - sizes[0]) for row in batch.rows)
    assert all(abs(row.tokens - sizes[0]) >= farthest for row in set(rows) - set(batch.rows))


@given(lengths, limits, budgets, st.data())
def test_an_overdue_review_waits_only_for_other_overdue_reviews(
    sizes: list[int], limits: BatchLimits, max_tokens: int, data: st.DataObject
) -> None:
    rows = [Queued(size, arrived_s=number / 10, number=number) for number, size in enumerate(sizes)]
    now_s = data.draw(st.floats(0, 10))
    now_s = max(now_s, rows[-1].arrived_s)
    batch = batcher(*rows, limits=limits).take(now_s, max_tokens=max_tokens, engine_idle=True)
    assert batch is not None
    overdue = {row for row in rows if now_s - row.arrived_s >= limits.max_wait_s}
    if batch.trigger is not Trigger.TOKENS and overdue - set(batch.rows):
        assert set(batch.rows) <= overdue | {rows[0]}
