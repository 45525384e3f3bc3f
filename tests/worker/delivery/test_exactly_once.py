"""Results and offsets are stored together: each result once, whatever fails."""

import pytest

from tests.fakes.fake_broker import FakeSource, FakeTransactionalSink
from tests.worker.delivery.rig import RAW, SCORED, DeliveryRig
from worker.broker.contract import TopicPartition
from worker.delivery.exactly_once import ExactlyOnce
from worker.delivery.outcomes import Outcome
from worker.errors import (
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeadLetterRefused,
    DeliveryFailed,
    Fenced,
    WorkerError,
)
from worker.wire.reasons import Reason

INTERVAL_S = 10.0
TRANSACTION_TIMEOUT_S = 60.0


class FailsWhenRead:
    """A receipt that fails when `done` is read."""

    error: WorkerError | None = None

    @property
    def done(self) -> bool:
        self.error = DeliveryFailed("expired")
        return True


class ExactlyOnceRig(DeliveryRig[FakeTransactionalSink]):
    """A delivery over a fake broker."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0  # the delivery's clock
        self.delivery = ExactlyOnce(
            self.source,
            lambda: self.opened(self.broker.transactional_sink("worker")),
            self.offsets,
            checkpoint_interval_s=INTERVAL_S,
            checkpoint_outcomes=5,
            commit_timeout_s=1.0,
            transaction_timeout_s=TRANSACTION_TIMEOUT_S,
            clock=lambda: self.now_s,
        )

    def publish(self, *offsets: int) -> list[Outcome]:
        """Publish an outcome for each offset, in a transaction that begins at 0 s."""
        outcomes = [self.outcome(offset) for offset in offsets]
        self.delivery.publish(outcomes)
        assert self.delivery.settle(0.0) == []
        return outcomes

    @property
    def stored(self) -> list[bytes | None]:
        return [record.value for record in self.broker.stored("scored")]

    def fail(self, now_s: float, match: str | None = None) -> None:
        """Settle at this time, which fails the delivery."""
        with pytest.raises(DeliveryFailed, match=match):
            self.delivery.settle(now_s)

    def go_back(self) -> list[Outcome]:
        """Do what the loop does after a failure. Return what was in flight."""
        forgotten = self.delivery.restart()
        self.delivery.reopen()
        self.offsets.assign(RAW)  # read again
        return forgotten


@pytest.fixture
def rig() -> ExactlyOnceRig:
    return ExactlyOnceRig()


def test_a_checkpoint_stores_results_and_offsets_together_after_the_interval(rig: ExactlyOnceRig) -> None:
    outcomes = rig.publish(0, 1, 2)
    assert rig.delivery.settle(INTERVAL_S - 0.1) == []
    assert (rig.stored, rig.committed) == ([], 0)
    assert rig.delivery.settle(INTERVAL_S) == outcomes
    assert (rig.stored, rig.committed) == ([b"0", b"1", b"2"], 3)


def test_a_checkpoint_comes_early_if_the_transaction_is_full(rig: ExactlyOnceRig) -> None:
    outcomes = [rig.outcome(offset) for offset in range(5)]
    rig.delivery.publish(outcomes)
    assert rig.delivery.settle(0.0) == outcomes


def test_the_interval_begins_with_the_first_result_after_a_checkpoint(rig: ExactlyOnceRig) -> None:
    rig.publish(0)
    rig.delivery.settle(INTERVAL_S)
    assert rig.delivery.settle(5 * INTERVAL_S) == []
    later = rig.outcome(1)
    rig.delivery.publish([later])
    assert rig.delivery.settle(5 * INTERVAL_S) == []
    assert rig.delivery.settle(6 * INTERVAL_S) == [later]


def test_no_checkpoint_is_made_while_the_group_rebalances(rig: ExactlyOnceRig, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = rig.publish(0)
    with monkeypatch.context() as rebalancing:
        rebalancing.setattr(FakeSource, "membership", None)
        assert rig.delivery.settle(INTERVAL_S) == []
    assert rig.delivery.settle(INTERVAL_S) == outcomes


def test_a_rebalance_that_begins_during_a_checkpoint_raises_nothing(
    rig: ExactlyOnceRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint uses the membership that it saw. If that is over, the broker refuses the offsets."""
    rig.publish(0)
    seen = iter([rig.source, None])
    monkeypatch.setattr(FakeSource, "membership", property(lambda _: next(seen)))
    assert len(rig.delivery.settle(INTERVAL_S)) == 1


def test_draining_makes_a_checkpoint_at_once(rig: ExactlyOnceRig) -> None:
    outcomes = rig.publish(0)
    assert rig.delivery.drain(timeout_s=1.0) == outcomes
    assert (rig.stored, rig.committed) == ([b"0"], 1)
    assert rig.delivery.drain(timeout_s=1.0) == []


@pytest.mark.parametrize("error", [AssignmentLost("a rebalance"), BrokerUnavailable("no answer")])
@pytest.mark.parametrize("stored", [False, True])
def test_after_a_failed_checkpoint_the_committed_offset_shows_what_was_stored(
    rig: ExactlyOnceRig, error: WorkerError, stored: bool
) -> None:
    outcomes = rig.publish(0, 1)
    rig.sinks[0].commit_error, rig.sinks[0].stores_all_the_same = error, stored
    rig.fail(INTERVAL_S)
    assert rig.go_back() == outcomes
    assert (rig.delivery.unfinished, len(rig.sinks), rig.sinks[0].closed) == (0, 2, True)
    assert (len(rig.stored), rig.committed) == ((2, 2) if stored else (0, 0))


def test_an_expired_result_fails_its_transaction_at_once(rig: ExactlyOnceRig) -> None:
    rig.sinks[0].hold = True
    rig.publish(0, 1)
    rig.sinks[0].settle_oldest(SCORED, DeliveryFailed("expired"))
    rig.fail(0.1, "expired")
    assert (rig.stored, rig.committed) == ([], 0)


def test_a_failure_found_while_reading_receipts_is_not_committed(
    rig: ExactlyOnceRig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rig.sinks[0], "send", lambda _: FailsWhenRead())
    rig.delivery.publish([rig.outcome(0)])
    rig.fail(INTERVAL_S, "expired")
    assert rig.committed == 0


def test_a_due_checkpoint_waits_without_blocking_and_takes_no_more_results(rig: ExactlyOnceRig) -> None:
    rig.sinks[0].hold = True
    outcomes = rig.publish(0, 1)
    assert rig.delivery.settle(INTERVAL_S) == []
    later = rig.outcome(2)
    rig.delivery.publish([later])
    rig.sinks[0].hold = False
    rig.sinks[0].settle_all()
    assert rig.delivery.settle(INTERVAL_S + 1) == outcomes
    assert rig.delivery.settle(INTERVAL_S + 1) == []
    assert rig.delivery.settle(2 * INTERVAL_S + 1) == [later]
    assert (rig.stored, rig.committed) == ([b"0", b"1", b"2"], 3)


def test_results_not_acknowledged_within_the_drain_timeout_are_not_committed(rig: ExactlyOnceRig) -> None:
    rig.sinks[0].hold = True
    rig.publish(0)
    with pytest.raises(BrokerUnavailable):
        rig.delivery.drain(timeout_s=0.0)
    assert (rig.stored, rig.committed) == ([], 0)


def sizes_of_transactions(rig: ExactlyOnceRig, outcomes: int) -> list[int]:
    """Publish this many outcomes in one call. Return how many each transaction stored."""
    rig.delivery.publish([rig.outcome(rig.committed + number) for number in range(outcomes)])
    sizes: list[int] = []
    while rig.delivery.unfinished:
        if stored := rig.delivery.settle(0.0) or rig.delivery.settle(INTERVAL_S):
            sizes.append(len(stored))
    return sizes


def test_a_transaction_has_at_most_the_allowed_number_of_results(rig: ExactlyOnceRig) -> None:
    assert sizes_of_transactions(rig, 12) == [5, 5, 2]


def test_after_a_timeout_transactions_are_half_as_large_and_grow_again(rig: ExactlyOnceRig) -> None:
    rig.sinks[0].hold = True
    rig.publish(0, 1, 2, 3)
    rig.sinks[0].settle_oldest(SCORED, DeliveryFailed("expired: the connection is too slow"))
    rig.fail(1.0)
    rig.go_back()
    assert sizes_of_transactions(rig, 14) == [2, 3, 4, 5]


def test_results_stored_before_a_failed_drain_are_returned_by_the_next_call(
    rig: ExactlyOnceRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [rig.outcome(offset) for offset in range(7)]
    rig.delivery.publish(outcomes)
    member = rig.source.membership
    answers = iter([member])
    with monkeypatch.context() as rebalancing:
        rebalancing.setattr(FakeSource, "membership", property(lambda _: next(answers, None)))
        with pytest.raises(AssignmentLost):
            rig.delivery.drain(timeout_s=1.0)
    assert rig.delivery.settle(0.0) == outcomes[:5]


def test_draining_stores_results_that_wait_for_the_next_transaction_too(rig: ExactlyOnceRig) -> None:
    outcomes = [rig.outcome(offset) for offset in range(12)]
    rig.delivery.publish(outcomes)
    assert rig.delivery.drain(timeout_s=1.0) == outcomes
    assert (len(rig.stored), rig.committed) == (12, 12)


def test_if_a_dead_letter_is_refused_its_error_is_raised_first_and_is_fatal(rig: ExactlyOnceRig) -> None:
    rig.sinks[0].hold = True
    rig.delivery.publish([rig.outcome(0), rig.outcome(1, topic="dlq", dead_because=Reason.INVALID_JSON)])
    rig.delivery.settle(0.0)
    rig.sinks[0].settle_oldest(SCORED, DeliveryFailed("failed with another"))
    rig.sinks[0].settle_oldest(TopicPartition("dlq", 0), BrokerRefused("too large"))
    with pytest.raises(DeadLetterRefused, match="record raw-0-1"):
        rig.delivery.settle(0.0)


def test_results_of_a_lost_partition_are_not_stored(rig: ExactlyOnceRig) -> None:
    rig.publish(0)
    rig.offsets.revoke(RAW)
    rig.fail(INTERVAL_S, "lost")
    assert rig.stored == []


def test_a_worker_stops_with_advice_if_another_takes_its_transactional_id(rig: ExactlyOnceRig) -> None:
    rig.publish(0)
    rig.broker.transactional_sink("worker")
    with pytest.raises(BrokerRefused, match="transactional_id"):
        rig.delivery.settle(INTERVAL_S)
    assert rig.stored == []


def test_a_worker_suspended_beyond_its_transaction_replays(rig: ExactlyOnceRig) -> None:
    rig.publish(0)
    rig.sinks[0].commit_error = Fenced("the broker gave up")
    rig.now_s = TRANSACTION_TIMEOUT_S
    rig.fail(rig.now_s, "gave up")


def test_a_worker_suspended_during_a_commit_replays(rig: ExactlyOnceRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.publish(0)

    def frozen(*_: object, **__: object) -> None:
        rig.now_s = INTERVAL_S + TRANSACTION_TIMEOUT_S
        raise Fenced("the broker gave up")

    monkeypatch.setattr(rig.sinks[0], "commit", frozen)
    rig.fail(INTERVAL_S, "gave up")


@pytest.mark.parametrize("error", [AssignmentLost("a rebalance"), Fenced("the broker gave up")])
def test_a_failure_that_is_not_a_timeout_does_not_make_transactions_smaller(
    rig: ExactlyOnceRig, error: WorkerError
) -> None:
    rig.publish(0)
    rig.sinks[0].commit_error = error
    rig.now_s = TRANSACTION_TIMEOUT_S
    rig.fail(rig.now_s)
    rig.go_back()
    assert sizes_of_transactions(rig, 10) == [5, 5]
