"""A worker that is asked to stop finishes what it has. One that is killed costs repeated work and nothing else."""

import pytest

from deploy.kafka.broker import Broker
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import new_topics
from tests.support.oracle import first_unanswered
from tests.support.stage import MakeStage, Stage
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

REVIEWS = 4000


def finish(stage: Stage) -> None:
    """Another worker does the rest."""
    assert stage.start(until_empty=True).exit_status(limit_s=60) == 0


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_sigterm_finishes_and_commits_what_was_read_and_exits_with_0(stage: Stage, delivery: str) -> None:
    """Everything that has a result is committed, no transaction is left open, and the next worker repeats nothing."""
    worker = stage.busy(count=REVIEWS, answered=500, delivery=delivery)
    assert worker.stop() == 0
    stopped = stage.history()
    answered = first_unanswered(stopped)
    assert len(stopped.results) < REVIEWS, "it did not stop in the middle"
    assert stopped.committed == {partition: offset for partition, offset in answered.items() if offset > 0}
    finish(stage)
    assert stage.faults() == []  # no repeats are explained: there must be none


def test_a_worker_that_is_killed_repeatedly_still_finishes(stage: Stage) -> None:
    """Nothing is lost. A kill repeats only results of the last commit interval, and of a second for the commit."""
    worker, killed = stage.busy(count=REVIEWS, answered=200), []
    for answered in (600, 1000, 1400):
        killed.append(stage.kill(worker))
        worker = stage.start()
        stage.traffic.until_answered(answered)
    assert worker.until_ready().stop() == 0
    finish(stage)
    assert stage.faults(begun_again=killed) == []


def test_a_second_signal_does_not_wait_for_a_broker_that_does_not_answer(
    own_broker: Broker, make_stage: MakeStage
) -> None:
    """Nothing is lost; uncommitted results may be repeated."""
    stage = make_stage(own_broker.address, new_topics(own_broker.address), drain_timeout_ms=250_000)
    worker = stage.busy(count=REVIEWS, answered=500)
    own_broker.pause()
    worker.terminate()
    until(lambda: worker.get("/readyz") == (503, "stopping\n"), 30, "the worker drains")
    worker.terminate()
    worker.exit_status(limit_s=20)
    own_broker.resume()
    killed = stage.committed()
    finish(stage)
    assert stage.faults(begun_again=[killed]) == []
