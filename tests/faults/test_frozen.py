"""The broker, or the worker, stands still for longer than each time-out and then goes on as if nothing had been."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.properties import Extras
from tests.conftest import open_broker
from tests.faults.pair import RETURN_LIMIT_S, TAKEN, Pair
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.stage import REVIEWS, MakeStage, Stage
from tests.support.strained import REQUEST_S, SLOW_AND_IMPATIENT
from tests.support.traffic import reviews
from tests.support.until import let_pass, until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

BEYOND_S = 2.0
# Seconds. A request of the consumer has REQUEST_S, one of the producer no longer than its delivery.
SHORT_S = 2.0
POLL_INTERVAL_S = 8.0  # above the session's
SETTINGS: dict[str, Any] = {
    "delivery_timeout_ms": round(SHORT_S * 1000),
    "transaction_timeout_ms": round(SHORT_S * 1000),
    "max_poll_interval_ms": round(POLL_INTERVAL_S * 1000),
    "drain_timeout_ms": 5_000,
}


@pytest.fixture
def broker_in_office(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker that stays the leader of its partitions while it stands still: see KAFKA-20734 in docs/guarantees.md."""
    kept = Extras(settings={"broker.session.timeout.ms": "120000"})
    with open_broker(request.config, own=True, extras=kept) as broker:
        yield broker


def test_a_worker_waits_for_a_broker_that_is_frozen_past_each_timeout(
    broker_in_office: Broker, make_stage: MakeStage
) -> None:
    """Nothing is lost; exactly once, nothing is repeated; at least once, unacknowledged results may be."""
    broker = broker_in_office
    pair = Pair.started(make_stage, broker.address, *SLOW_AND_IMPATIENT, **SETTINGS)
    backlog = reviews(seed=1)
    committed = []
    for time_out_s in (SHORT_S, POLL_INTERVAL_S, REQUEST_S):
        committed.append(pair.interrupted(backlog, REVIEWS))
        broker.pause()
        let_pass(time_out_s + BEYOND_S)
        assert pair.alive()
        broker.resume()
        pair.until_answered()
    assert pair.finish(since=committed[0]) == []


def test_a_worker_that_was_frozen_past_its_poll_interval_commits_nothing_late(stage: Stage) -> None:
    """Its partitions went to another worker, whose offsets stay; only uncommitted work is repeated."""
    zombie = stage.busy(**SETTINGS)
    zombie.freeze()
    frozen = stage.committed()
    let_pass(POLL_INTERVAL_S)
    other = stage.start(**SETTINGS)
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    until(stage.all_committed, 30, "the other worker has committed all")
    zombie.thaw()
    until(lambda: zombie.owned() == other.owned() == 2, RETURN_LIMIT_S, "both work again")
    assert stage.all_committed()
    assert TAKEN in zombie.log()
    stage.traffic.send(islice(reviews(seed=2), 400))
    stage.traffic.until_answered()
    assert (zombie.stop(), other.stop()) == (0, 0)
    assert stage.faults(begun_again=[frozen]) == []
