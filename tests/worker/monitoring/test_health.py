"""Alive and ready, as an orchestrator asks."""

from hypothesis import given
from hypothesis import strategies as st

from worker.monitoring.health import READY, Health, State


def healthy() -> Health:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    health.warm, health.partitions = True, 2
    health.turned(0.0, work_waits=False)
    return health


def test_a_warm_worker_with_partitions_is_ready() -> None:
    assert healthy().ready(1.0) == (True, "progressing")


def test_a_cold_model_is_alive_but_not_ready() -> None:
    health = healthy()
    health.warm = False
    assert health.live(1.0)[0]
    assert health.ready(1.0) == (False, "the model is not warm yet")


def test_without_partitions_it_is_alive_but_not_ready() -> None:
    health = healthy()
    health.partitions = 0
    assert health.ready(1.0) == (False, "no partition is assigned")


def test_without_a_word_from_any_broker_it_is_alive_but_not_ready() -> None:
    health = healthy()
    health.broker_silence_s = 10.0
    assert health.ready(1.0)[0]
    health.broker_silence_s = 10.1
    assert health.live(1.0)[0]
    assert health.ready(1.0) == (False, "no broker has answered for more than 10 s")


def test_one_that_lost_its_partitions_since_no_broker_answers_says_that() -> None:
    health = healthy()
    health.partitions = 0
    health.broker_silence_s = 10.1
    assert health.ready(1.0) == (False, "no broker has answered for more than 10 s")


def test_a_stopping_worker_is_not_ready() -> None:
    health = healthy()
    health.stopping = True
    assert health.ready(1.0) == (False, "stopping")


def test_a_loop_that_does_not_turn_is_dead() -> None:
    health = healthy()
    health.turned(10.0, work_waits=False)
    assert health.live(70.0)[0]
    assert health.live(71.0) == (False, "the loop has not turned for 61 s")


def test_waiting_work_without_progress_is_dead_though_the_loop_turns() -> None:
    health = healthy()
    health.turned(10.0, work_waits=False)
    health.turned(100.0, work_waits=True)
    assert health.live(100.0) == (False, "work waits, and nothing was finished for 90 s")
    health.progressed(100.0)
    assert health.live(100.0)[0]


def test_an_idle_worker_lives_for_ever() -> None:
    health = healthy()
    health.turned(1e6, work_waits=False)
    assert health.live(1e6)[0]


def test_a_worker_says_in_a_word_what_it_does() -> None:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    states = [health.state(1.0)[0]]
    health.turned(1.0, work_waits=False)
    states.append(health.state(1.0)[0])
    health.warm = True
    states.append(health.state(1.0)[0])
    health.partitions = 2
    states.append(health.state(1.0)[0])
    health.paused = True
    states.append(health.state(1.0)[0])
    health.broker_silence_s = 11.0
    states.append(health.state(1.0)[0])
    states.append(health.state(62.0)[0])
    health.stopping = True
    states.append(health.state(62.0)[0])
    assert states == ["starting", "warming", "standby", "scoring", "paused", "disconnected", "stalled", "draining"]


def test_whoever_pauses_is_ready() -> None:
    health = healthy()
    health.paused = True
    assert health.ready(1.0)[0]


@given(
    warm=st.booleans(),
    partitions=st.integers(0, 3),
    paused=st.booleans(),
    stopping=st.booleans(),
    turned_s=st.floats(0.0, 200.0),
    work_waits=st.booleans(),
    later_s=st.floats(0.0, 200.0),
)
def test_ready_is_live_and_stalled_is_not(
    *, warm: bool, partitions: int, paused: bool, stopping: bool, turned_s: float, work_waits: bool, later_s: float
) -> None:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    health.warm, health.partitions, health.paused, health.stopping = warm, partitions, paused, stopping
    health.turned(turned_s, work_waits=work_waits)
    now_s = turned_s + later_s
    state, reason = health.state(now_s)
    assert health.ready(now_s) == (state in READY, reason)
    assert health.live(now_s)[0] or state in (State.STALLED, State.DRAINING)
    if state is State.STALLED:
        assert health.live(now_s) == (False, reason)


def test_the_age_of_the_last_turn_is_never_negative() -> None:
    health = healthy()
    health.turned(10.0, work_waits=False)
    assert (health.turn_age_s(25.0), health.turn_age_s(9.0)) == (15.0, 0.0)
