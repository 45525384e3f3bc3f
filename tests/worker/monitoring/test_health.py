"""When the worker is live and ready."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.works import work
from worker.monitoring.health import READY, Health, State
from worker.monitoring.observer import Moment, Standing
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import ScoredBatch
from worker.scoring.pricing import Budget, Why
from worker.wire.scored import Score


def turn(
    health: Health,
    now_s: float = 0.0,
    *,
    warm: bool = True,
    working: bool = False,
    partitions: int = 2,
    paused: bool = False,
    silence_s: float = 0.0,
) -> None:
    """Report one iteration of the loop."""
    health.turned(now_s, warm=warm, working=working, partitions=partitions, paused=paused)
    health.stands(Standing(now_s, {}, 0, 0, paused, Budget(1, Why.FIXED, None, None), silence_s))


def healthy() -> Health:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    turn(health)
    return health


def finish(health: Health, batch: Batch, now_s: float) -> None:
    scored = ScoredBatch(batch, [Score(0.5, 1, False, False)], 0.1, 0.1)
    health.computed(scored, is_current=lambda _: True, at=Moment(now_s, 0.0))


def test_a_warm_worker_with_partitions_is_ready() -> None:
    assert healthy().ready(1.0) == (True, "progressing")


NO_BROKER = "no broker has answered for more than 10 s"


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ({"warm": False}, "the model is not warm yet"),
        ({"partitions": 0}, "no partition is assigned"),
        ({"silence_s": 10.1}, NO_BROKER),
        ({"silence_s": 10.1, "partitions": 0}, NO_BROKER),
    ],
)
def test_a_worker_that_waits_is_live_and_not_ready(reported: dict[str, Any], reason: str) -> None:
    health = healthy()
    turn(health, **reported)
    assert health.live(1.0)[0]
    assert health.ready(1.0) == (False, reason)


@pytest.mark.parametrize("reported", [{"silence_s": 10.0}, {"paused": True}])
def test_a_worker_that_scores_is_ready_though_paused_or_though_brokers_are_silent_for_a_while(
    reported: dict[str, Any],
) -> None:
    health = healthy()
    turn(health, **reported)
    assert health.ready(1.0)[0]


def test_a_stopping_worker_is_not_ready() -> None:
    health = healthy()
    health.stopping()
    assert health.ready(1.0) == (False, "stopping")


def test_a_loop_that_hangs_is_not_live() -> None:
    health = healthy()
    turn(health, 10.0)
    assert health.live(70.0)[0]
    assert health.live(71.0) == (False, "the loop has not turned for 61 s")


def test_a_worker_is_not_live_if_work_waits_without_progress() -> None:
    health = healthy()
    turn(health, 10.0)
    turn(health, 100.0, working=True)
    assert health.live(100.0) == (False, "work waits, and nothing was finished for 90 s")
    only = Batch((work(),), Trigger.IDLE)
    health.dispatched(only, waited_s=0.0)
    finish(health, only, 100.0)
    assert health.live(100.0)[0]


def test_only_the_oldest_batch_counts_as_progress() -> None:
    health = healthy()
    oldest, other = (Batch((work(),), Trigger.IDLE) for _ in range(2))
    health.dispatched(oldest, waited_s=0.0)
    health.dispatched(other, waited_s=0.0)
    turn(health, 100.0, working=True)
    finish(health, other, 100.0)
    assert not health.live(100.0)[0]
    finish(health, oldest, 100.0)
    assert health.live(100.0)[0]


def test_an_idle_worker_stays_live() -> None:
    health = healthy()
    turn(health, 1e6)
    assert health.live(1e6)[0]


def test_each_situation_has_a_state() -> None:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    states = [health.state(1.0)[0]]
    for reports in (
        {"warm": False, "partitions": 0},
        {"partitions": 0},
        {},
        {"paused": True},
        {"paused": True, "silence_s": 11.0},
    ):
        turn(health, 1.0, **reports)
        states.append(health.state(1.0)[0])
    states.append(health.state(62.0)[0])
    health.stopping()
    states.append(health.state(62.0)[0])
    assert states == ["starting", "warming", "standby", "scoring", "paused", "disconnected", "stalled", "draining"]


def test_a_change_of_readiness_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    health = healthy()
    turn(health)
    turn(health, silence_s=11.0)
    turn(health, silence_s=12.0)
    assert caplog.messages == ["ready", f"not ready: {NO_BROKER}"]


@given(
    warm=st.booleans(),
    partitions=st.integers(0, 3),
    paused=st.booleans(),
    stopping=st.booleans(),
    turned_s=st.floats(0.0, 200.0),
    working=st.booleans(),
    later_s=st.floats(0.0, 200.0),
)
def test_the_state_agrees_with_live_and_ready(
    *, warm: bool, partitions: int, paused: bool, stopping: bool, turned_s: float, working: bool, later_s: float
) -> None:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    turn(health, turned_s, warm=warm, working=working, partitions=partitions, paused=paused)
    if stopping:
        health.stopping()
    now_s = turned_s + later_s
    state, reason = health.state(now_s)
    assert health.ready(now_s) == (state in READY, reason)
    assert health.live(now_s)[0] or state in (State.STALLED, State.DRAINING)
    if state is State.STALLED:
        assert health.live(now_s) == (False, reason)


def test_the_age_of_the_last_iteration_is_never_negative() -> None:
    health = healthy()
    turn(health, 10.0)
    assert (health.turn_age_s(25.0), health.turn_age_s(9.0)) == (15.0, 0.0)
