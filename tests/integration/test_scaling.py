"""Workers come and go, and a group goes on where it was."""

from itertools import islice

import pytest

from tests.support.stage import Stage
from tests.support.traffic import reviews

pytestmark = pytest.mark.broker


def test_5000_reviews_come_through_while_a_second_worker_joins_and_the_first_leaves(stage: Stage) -> None:
    traffic, backlog = stage.traffic, reviews(seed=5000)
    first = stage.start().until_ready()
    traffic.send(islice(backlog, 1000))
    traffic.until_answered(1000)

    before_joining = stage.committed()
    second = stage.start()
    traffic.load_until(second.ready, backlog, "the second worker is ready", most=2500)
    assert stage.faults_so_far(begun_again=[before_joining]) == []

    traffic.send(islice(backlog, 5000 - len(traffic.inputs)))
    traffic.until_answered(3000)
    assert first.stop() == 0
    traffic.until_answered()
    assert second.stop() == 0
    assert stage.faults(begun_again=[before_joining]) == []


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_rolling_restart_of_three_workers_under_load_repeats_nothing(stage: Stage, delivery: str) -> None:
    traffic, backlog = stage.traffic, reviews(seed=3)
    workers = [stage.start(delivery=delivery).until_ready() for _ in range(3)]
    traffic.send(islice(backlog, 500))
    for _ in range(3):
        assert workers.pop(0).stop() == 0
        workers.append(stage.start(delivery=delivery))
        traffic.load_until(workers[-1].ready, backlog, "the restarted worker is ready", most=4000)
    traffic.until_answered()
    assert [worker.stop() for worker in workers] == [0, 0, 0]
    assert stage.faults() == []


def test_a_new_group_begins_at_the_earliest_offset_and_a_restarted_one_goes_on_where_it_was(stage: Stage) -> None:
    backlog = reviews(seed=2)
    for _ in range(2):
        stage.traffic.send(islice(backlog, 200))
        assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults() == []
