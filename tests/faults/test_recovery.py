"""How long the partitions of a killed worker wait for their next result."""

import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from tests.support.clients import SECOND_AT_NIGHT
from tests.support.stage import SESSION_TIMEOUT_MS, Stage
from tests.support.traffic import reviews
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

SESSION_S = SESSION_TIMEOUT_MS / 1000
ALLOWED_S = 5.0  # beyond the session
LONG_SESSION_S = 30.0  # longer than the new process may take: a partition would not be waited for, but moved
Record = Callable[[str, object], None]


def answered_all(stage: Stage) -> None:
    """Send reviews to every partition, and wait until each has its result."""
    stage.traffic.send(islice(reviews(seed=len(stage.traffic.inputs)), 40))
    stage.traffic.until_answered()


def test_another_worker_takes_over_within_the_session_plus_five_seconds(stage: Stage, record_property: Record) -> None:
    """From the kill of the worker that owns all partitions to the first result of each partition."""
    owner = stage.start().until_ready()
    answered_all(stage)
    heir = stage.start()
    until(lambda: owner.owned() == heir.owned() == 2, 60, "both have their share")
    answered_all(stage)
    killed_s = time.monotonic()
    killed = stage.kill(owner)
    answered_all(stage)
    took_s = time.monotonic() - killed_s
    record_property("seconds", f"{took_s:.1f}")
    assert took_s < SESSION_S + ALLOWED_S
    until(lambda: heir.owned() == 4, 10, "the other worker has all partitions")
    assert heir.stop() == 0
    assert stage.faults(begun_again=[killed]) == []


def test_a_static_member_that_is_restarted_goes_on_and_no_partition_moves(
    stage: Stage, record_property: Record
) -> None:
    """From the kill to the first result of each partition: at most a short session and five seconds."""
    settings: dict[str, Any] = {"delivery": "exactly_once", "session_timeout_ms": round(LONG_SESSION_S * 1000)}
    first, second = (stage.start(group_instance_id=name, **settings) for name in ("first", "second"))
    until(lambda: first.owned() == second.owned() == 2, 60, "both have their share")
    answered_all(stage)
    rebalances = second.metric("sentiment_rebalances_total")
    killed_s = time.monotonic()
    first.kill()
    again = stage.start(group_instance_id="first", **settings)
    answered_all(stage)
    took_s = time.monotonic() - killed_s
    record_property("seconds", f"{took_s:.1f}")
    assert took_s < SESSION_S + ALLOWED_S
    assert second.metric("sentiment_rebalances_total") == rebalances
    until(lambda: again.owned() == second.owned() == 2, 10, "both have what they had")
    assert (again.stop(), second.stop()) == (0, 0)
    assert stage.faults() == []
