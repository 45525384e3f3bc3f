"""The loop on fakes: when the worker is live and ready."""

from functools import partial

import pytest

from tests.worker.rig import Rig, review, started, turn_until, with_busy_engine, with_results_in_flight
from worker.broker.contract import Record


def test_a_worker_is_ready_once_it_is_warm_and_has_partitions() -> None:
    rig = Rig()
    assert not rig.health.ready(rig.now_s)[0]
    started(rig)
    assert rig.health.ready(rig.now_s)[0]


def test_an_idle_worker_logs_each_change_of_its_readiness_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    rig = started(Rig())
    for available in (True, False, True):
        rig.broker.available = available
        for _ in range(3):
            rig.now_s += 1.0
            rig.worker.turn()
    logged = [message for message in caplog.messages if "ready" in message]
    assert logged == ["ready", "not ready: no broker has answered for more than 10 s", "ready"]


def test_a_worker_stays_live_while_the_broker_is_away() -> None:
    rig = with_results_in_flight(started(Rig(partitions=1)), review("x"))
    rig.broker.available = False
    for _ in range(5):
        rig.now_s += 30.0
        rig.worker.turn()
    assert rig.health.live(rig.now_s)[0]


def _is_committed(rig: Rig, record: Record) -> bool:
    return rig.committed(record.partition.partition) == record.offset + 1


def test_a_batch_stuck_beside_others_makes_the_worker_not_live() -> None:
    rig = started(Rig(max_batch_reviews=1))
    rig.predictor.hold_on("stuck")
    rig.predictor.gate.clear()
    rig.send(review("stuck"), partition=0)
    for _ in range(7):
        [other] = rig.send(review("good"), partition=1)
        turn_until(rig, partial(_is_committed, rig, other), "the other is committed")
        rig.now_s += 10
    assert not rig.health.live(rig.now_s)[0]
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed(0) == 1, "the stuck one is committed")
    assert rig.health.live(rig.now_s)[0]


def test_a_stuck_engine_makes_the_worker_not_live_after_the_stall_timeout() -> None:
    rig = with_busy_engine(started(Rig(partitions=1)), review("x"))
    rig.now_s += 61.0
    rig.worker.turn()
    assert not rig.health.live(rig.now_s)[0]
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.health.live(rig.now_s)[0], "the worker is live again")
