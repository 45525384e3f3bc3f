"""Alive and ready, as an orchestrator asks."""

from worker.health import Health


def healthy() -> Health:
    health = Health(stall_timeout_s=60.0, now_s=0.0)
    health.warm, health.partitions = True, 2
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
