"""A reader of committed data sees the result of each review once, whatever is killed, whenever."""

import time
from itertools import islice
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.stage import LONG, REVIEWS, MakeStage, Stage
from tests.support.traffic import reviews
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

RETURN_LIMIT_S = 120.0
TRANSACTION_TIMEOUT_S = 2
WORK_LIMIT_S = 30


@pytest.fixture
def stage(broker: Broker, make_stage: MakeStage) -> Stage:
    return make_stage(broker.address, delivery="exactly_once")


@pytest.mark.parametrize("name", [None, "worker-1"])
def test_a_worker_that_is_killed_repeatedly_repeats_nothing(stage: Stage, name: str | None) -> None:
    """With a stable transactional id, and with a new one for each start."""
    settings: dict[str, Any] = {"transactional_id": name} if name else {}
    worker = stage.busy(**settings)
    for answered in (600, 900, 1200):
        worker.kill()
        worker = stage.start(**settings)
        stage.traffic.until_answered(answered)
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert worker.until_ready().stop() == 0  # before it is, SIGTERM may find a process without a handler
    assert stage.faults() == []


def test_the_open_transaction_of_a_killed_worker_blocks_readers_until_its_timeout_at_most(stage: Stage) -> None:
    """At most `transaction_timeout_ms`, and 10 s until the broker checks."""
    stage.busy(transaction_timeout_ms=TRANSACTION_TIMEOUT_S * 1000).kill()
    killed_s = time.monotonic()
    worker = stage.start()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    # The broker looks for transactions to end every 10 s; the rest is for the work itself.
    assert time.monotonic() - killed_s < TRANSACTION_TIMEOUT_S + 10 + WORK_LIMIT_S
    assert worker.stop() == 0
    assert stage.faults() == []


def test_a_worker_that_was_frozen_past_its_transaction_and_its_session_repeats_nothing(stage: Stage) -> None:
    """When it resumes, its transaction is refused; it rewinds to the committed offsets and goes on."""
    worker = stage.busy(transaction_timeout_ms=2_000)
    worker.freeze()
    other = stage.start(transaction_timeout_ms=2_000)
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    worker.thaw()
    until(lambda: worker.owned() == other.owned() == 2, RETURN_LIMIT_S, "both work again")
    stage.traffic.send(islice(reviews(seed=2), 400))
    stage.traffic.until_answered()
    assert (worker.stop(), other.stop()) == (0, 0)
    assert stage.faults() == []


def test_of_two_workers_with_one_transactional_id_one_stops_and_nothing_is_repeated(stage: Stage) -> None:
    """It ends with status 9 and names the setting. The first one stops, unless it was just handing over partitions."""
    both = stage.busy(transactional_id="the-same"), stage.start(transactional_id="the-same")
    more = reviews(seed=2, words=LONG)
    stage.traffic.load_until(lambda: not all(one.running for one in both), more, "one stops", most=3 * REVIEWS)
    stopped, other = sorted(both, key=lambda one: one.running)
    assert stopped.exit_status() == 9
    assert "transactional_id" in stopped.log()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert other.stop() == 0
    assert stage.faults() == []
