"""The broker goes away under a worker, and comes back."""

import pytest

from deploy.kafka.broker import Broker
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import new_topics
from tests.support.stage import SESSION_TIMEOUT_MS, MakeStage, Stage
from tests.support.until import let_pass, until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

RETURN_LIMIT_S = 120.0


@pytest.fixture
def stage(own_broker: Broker, make_stage: MakeStage) -> Stage:
    """On a broker of the test's own."""
    return make_stage(own_broker.address, new_topics(own_broker.address))


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_worker_waits_for_a_broker_that_is_killed_and_restarted(
    own_broker: Broker, stage: Stage, delivery: str
) -> None:
    """Exactly once repeats nothing. At least once, results not committed at the kill may be repeated."""
    worker = stage.busy(delivery=delivery)
    before = stage.committed()
    own_broker.kill()
    own_broker.start()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert worker.stop() == 0
    assert stage.faults(begun_again=[before] if delivery == "at_least_once" else []) == []


def test_a_worker_waits_for_a_broker_that_is_away_for_longer_than_a_session(
    own_broker: Broker, stage: Stage, make_stage: MakeStage
) -> None:
    """Workers stay alive, take their partitions again and lose nothing. One without work is not ready meanwhile."""
    idle = make_stage(own_broker.address, new_topics(own_broker.address)).start().until_ready()
    worker = stage.busy()
    before = stage.committed()
    own_broker.kill()
    let_pass(2 * SESSION_TIMEOUT_MS / 1000)
    silent = (503, "no broker has answered for more than 10 s\n")
    until(lambda: idle.get("/readyz") == silent, 60, "the worker without work notices")
    assert idle.get("/livez")[0] == 200
    assert worker.running, worker.log_tail()
    own_broker.start()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert (worker.stop(), idle.until_ready().stop()) == (0, 0)
    assert stage.faults(begun_again=[before]) == []


def test_results_that_were_not_stored_in_time_are_scored_again_from_the_committed_offset(
    own_broker: Broker, stage: Stage
) -> None:
    """After `delivery_timeout_ms` the worker rewinds by itself, once each time it gives up a delivery."""
    worker = stage.busy(delivery_timeout_ms=2_000)
    before = stage.committed()
    own_broker.pause()
    until(lambda: worker.metric("sentiment_replays_total") >= 1, 60, "the worker gives up on a result")
    own_broker.resume()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    replays = int(worker.metric("sentiment_replays_total"))
    assert worker.stop() == 0
    assert stage.faults(begun_again=[before] * replays) == []
