"""The broker, or the worker, stands still for longer than each time-out and then goes on as if nothing had been."""

from itertools import islice
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import new_topics
from tests.support.stage import SESSION_TIMEOUT_MS, MakeStage, Stage
from tests.support.traffic import reviews
from tests.support.until import let_pass, until
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.broker

REVIEWS = 3000
LONG = 300  # words: with an engine of one thread, these take seconds
RETURN_LIMIT_S = 120.0
BEYOND_S = 3.0
# Each is the setting that names it, in seconds; a request of a consumer has 30 s, one of a producer its delivery's time.
SHORT_S = 2.0
SESSION_S = SESSION_TIMEOUT_MS / 1000
POLL_INTERVAL_S = 8.0
REQUEST_S = 30.0
SETTINGS: dict[str, Any] = {
    "delivery_timeout_ms": round(SHORT_S * 1000),
    "transaction_timeout_ms": round(SHORT_S * 1000),
    "max_poll_interval_ms": round(POLL_INTERVAL_S * 1000),
    "drain_timeout_ms": 5_000,
}


def busy(stage: Stage) -> WorkerProcess:
    """A worker in the middle of its work."""
    worker = stage.start(**SETTINGS)
    stage.traffic.send(islice(reviews(seed=1, words=LONG), REVIEWS))
    stage.traffic.until_answered(300)
    assert stage.traffic.answered() < REVIEWS, "it was too quick: there is nothing left to be interrupted"
    return worker


@pytest.mark.parametrize(
    "frozen_s",
    [SHORT_S + BEYOND_S, POLL_INTERVAL_S + BEYOND_S, REQUEST_S + BEYOND_S],
    ids=["delivery-and-transaction", "session-and-poll-interval", "request"],
)
def test_a_broker_that_stands_still_past_a_time_out_is_waited_for(
    own_broker: Broker, make_stage: MakeStage, frozen_s: float
) -> None:
    """Nothing is lost; exactly once, nothing is repeated; at least once, what was not acknowledged may be."""
    address = own_broker.address
    once, twice = (
        make_stage(address, new_topics(address), delivery=delivery) for delivery in ("exactly_once", "at_least_once")
    )
    workers = [busy(once), busy(twice)]
    before = twice.committed()
    own_broker.pause()
    let_pass(frozen_s)
    assert all(worker.running and worker.get("/livez")[0] == 200 for worker in workers)
    own_broker.resume()
    once.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    twice.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert workers[0].metric("sentiment_replays_total") >= 1, "the transaction outlived its time-out"
    begun_again = int(workers[1].metric("sentiment_replays_total")) + int(frozen_s > SESSION_S)
    assert [worker.stop() for worker in workers] == [0, 0]
    assert once.faults() == []
    assert twice.faults(begun_again=[before] * begun_again) == []


def test_a_worker_that_stood_still_past_its_poll_interval_commits_nothing_late(stage: Stage) -> None:
    """Its partitions went to another, whose offsets stand; only what it had not committed is repeated."""
    zombie = busy(stage)
    zombie.freeze()
    frozen = stage.committed()
    let_pass(POLL_INTERVAL_S)
    other = stage.start(**SETTINGS)
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    ends = dict.fromkeys(range(4), REVIEWS // 4)
    until(lambda: stage.committed() == ends, 30, "the other worker has committed all")
    zombie.thaw()
    until(lambda: zombie.owned() == other.owned() == 2, RETURN_LIMIT_S, "both work again")
    assert stage.committed() == ends
    assert "took 4 partitions away" in zombie.log()
    stage.traffic.send(islice(reviews(seed=2), 400))
    stage.traffic.until_answered()
    assert (zombie.stop(), other.stop()) == (0, 0)
    assert stage.faults(begun_again=[frozen]) == []
