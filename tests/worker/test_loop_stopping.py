"""The loop on fakes: the drain after a signal."""

import pytest

from tests.support.deployment import CLOSING_S
from tests.worker.rig import (
    GROUP,
    RAW,
    SCORED,
    Rig,
    ids,
    review,
    started,
    turn_until,
    with_busy_engine,
    with_results_in_flight,
)
from worker.broker.contract import Polled, TopicPartition
from worker.errors import AssignmentLost, BrokerUnavailable, DeliveryFailed
from worker.monitoring.observer import Observer
from worker.scoring.shadow import ModelShadow

P0 = TopicPartition(RAW, 0)


def test_a_stopped_worker_finishes_its_reviews_commits_and_leaves_the_group() -> None:
    reviews = [review("x", review_id=str(number)) for number in range(20)]
    rig = with_busy_engine(started(Rig(partitions=1)), *reviews)
    rig.stop.on_signal(15)
    rig.predictor.gate.set()
    rig.worker.run(rig.stop)
    assert ids(rig.scored()) == [str(number) for number in range(20)]
    assert rig.committed() == 20
    assert rig.source.closed
    assert rig.health.ready(rig.now_s) == (False, "stopping")


def test_reviews_unfinished_at_the_drain_timeout_are_not_committed() -> None:
    rig = with_busy_engine(started(Rig(partitions=1, drain_timeout_ms=0)), review("x"), review("y"))
    rig.stop_now()
    assert not rig.committed()
    assert rig.source.closed
    rig.predictor.gate.set()


def test_a_second_signal_ends_the_drain_at_once() -> None:
    rig = with_busy_engine(started(Rig(partitions=1)), review("x"))
    rig.stop.on_signal(15)
    rig.stop_now()
    assert not rig.committed()
    rig.predictor.gate.set()


def test_stopping_right_after_a_failed_delivery_is_no_error() -> None:
    rig = with_results_in_flight(started(Rig()), review("x"))
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    rig.worker.turn()
    assert rig.metric("sentiment_replays_total") == 1
    rig.stop_now()
    assert not rig.committed()


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_stopped_worker_commits_in_spite_of_a_rebalance(exactly_once: bool) -> None:
    rig = started(Rig(partitions=1, exactly_once=exactly_once, commit_interval_ms=1000))
    rig.source.commit_errors.append(AssignmentLost("a rebalance"))
    with_busy_engine(rig, *[review("x")] * 3)
    rig.source.commit_errors.extend([AssignmentLost("a rebalance")] * 2)
    rig.stop.on_signal(15)
    rig.predictor.gate.set()
    rig.worker.run(rig.stop)
    assert rig.committed() == 3


def test_a_worker_stops_in_time_even_if_everything_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine, shadow, broker and traces each take all the time that they are given."""
    drain_s = 25.0
    tracer = Observer()
    rig = Rig(partitions=1, drain_timeout_ms=drain_s * 1000, threadless=True, shadow_share=1.0, observer=tracer)
    rig.send(review("one"))
    rig.worker.start()
    for _ in range(3):
        rig.worker.turn()
    assert not rig.engine.idle

    def hang(*_: object, timeout_s: float, **__: object) -> None:
        rig.now_s += timeout_s

    def fail(*_: object, timeout_s: float, **__: object) -> None:
        rig.now_s += timeout_s
        raise BrokerUnavailable("no answer")

    for of, name in ((rig.engine, "collect"), (tracer, "close"), (rig.engine, "close"), (rig.source, "close")):
        monkeypatch.setattr(of, name, hang)
    monkeypatch.setattr(ModelShadow, "close", hang)
    monkeypatch.setattr(rig.source, "commit", fail)
    monkeypatch.setattr(rig.sinks[0], "flush", fail)
    rig.stop.on_signal(15)
    asked_s = rig.now_s
    rig.now_s += 10.0  # that the running iteration took
    rig.worker.run(rig.stop)
    assert rig.now_s - asked_s <= drain_s + CLOSING_S


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_partition_revoked_during_the_drain_is_committed_first(exactly_once: bool) -> None:
    rig = started(Rig(exactly_once=exactly_once, commit_interval_ms=1000))
    rig.predictor.gate.clear()
    for partition in range(2):
        rig.send(*[review("x")] * 3, partition=partition)
    turn_until(rig, lambda: rig.held.records == 6, "all is read")
    rig.broker.assign(rig.broker.source(RAW, group_id=GROUP), [P0])
    rig.source.rebalancing = True
    rig.stop.on_signal(15)
    rig.predictor.gate.set()
    rig.worker.run(rig.stop)
    assert (rig.committed(0), rig.committed(1)) == (3, 3)


def test_a_draining_worker_stays_a_member_and_reads_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that does not poll is evicted, and then cannot commit what it finishes."""
    rig = started(Rig(partitions=1, threadless=True))
    rig.send(*[review("x")] * 3)
    turn_until(rig, lambda: rig.held.records == 3, "all is read")
    poll = rig.source.poll

    def poll_and_compute(*, timeout_s: float, max_records: int) -> Polled:
        rig.engine.finish()  # only a drain that polls gets anything done
        return poll(timeout_s=timeout_s, max_records=max_records)

    monkeypatch.setattr(rig.source, "poll", poll_and_compute)
    rig.send(*[review("too late")] * 3)
    rig.stop_now()
    assert rig.committed() == 3
    assert len(rig.scored()) == 3
