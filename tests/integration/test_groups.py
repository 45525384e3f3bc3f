"""Where a group of workers begins, goes on, and ends."""

from itertools import islice

import pytest

from tests.support.stage import Stage
from tests.support.traffic import reviews

pytestmark = pytest.mark.broker


def test_a_new_group_begins_at_the_earliest_offset_and_a_restarted_one_goes_on_where_it_was(stage: Stage) -> None:
    backlog = reviews(seed=2)
    for _ in range(2):
        stage.traffic.send(islice(backlog, 200))
        assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults() == []
