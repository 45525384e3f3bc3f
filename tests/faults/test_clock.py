"""The clock of the worker's machine jumps."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from tests.support.kafka_io import read_all
from tests.support.stage import Stage
from tests.support.traffic import reviews

pytestmark = pytest.mark.broker

FORTH, BACK = 50 * 60, -60 * 60  # seconds; a broker refuses timestamps more than an hour ahead
TOO_FAR = 3 * 60 * 60
WRONG = "tests.support.wrong_clock"


@pytest.fixture
def set_clock(tmp_path: Path) -> Callable[[int], Path]:
    """Set by how many seconds the clock is off from now on. Returns the file that holds it."""
    file = tmp_path / "seconds"

    def set_clock(seconds: int) -> Path:
        new = tmp_path / "new"
        new.write_text(str(seconds))
        return new.replace(file)  # never read half written

    return set_clock


def reached(stage: Stage, goal: int) -> bool:
    return stage.traffic.answered() >= goal


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_clock_that_jumps_forward_and_back_has_no_effect(
    stage: Stage, set_clock: Callable[[int], Path], delivery: str
) -> None:
    """No timeout ends early or late: nothing is sent again and no partition moves."""
    worker = stage.start(WRONG, str(set_clock(0)), delivery=delivery).until_ready()
    backlog = reviews(seed=1)
    rebalances = worker.metric("sentiment_rebalances_total")
    for seconds in (FORTH, BACK, 0):
        set_clock(seconds)
        goal = stage.traffic.answered() + 300
        stage.traffic.load_until(partial(reached, stage, goal), backlog, f"{goal} results", most=10**9)
    stage.traffic.until_answered()
    assert worker.metric("sentiment_replays_total") == 0
    assert worker.metric("sentiment_rebalances_total") == rebalances
    assert worker.stop() == 0
    assert stage.faults() == []
    scored = [
        datetime.fromisoformat(json.loads(one.value or b"")["scored_at"])
        for one in read_all(stage.address, stage.topics.output)
    ]
    assert max(scored) - min(scored) > timedelta(hours=1.5), "the clock did not jump"


def test_a_clock_too_far_ahead_for_the_broker_stops_the_worker_until_it_is_fixed(
    stage: Stage, set_clock: Callable[[int], Path]
) -> None:
    """The broker refuses results dated more than an hour ahead: status 9, and nothing is lost."""
    stage.traffic.send(islice(reviews(seed=2), 400))
    worker = stage.start(WRONG, str(set_clock(TOO_FAR)))
    assert worker.exit_status() == 9
    assert "imestamp" in worker.log()
    stopped = stage.committed()
    assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults(begun_again=[stopped]) == []
