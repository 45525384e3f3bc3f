"""What a poll reports of partitions that come and go between two polls."""

import logging

import pytest

from worker.broker.ownership import Ownership


@pytest.fixture
def ours() -> Ownership[int]:
    """We own 0, 1 and 2."""
    ownership = Ownership[int]("g")
    ownership.assign({0, 1, 2})
    ownership.report_arrived({0, 1, 2})
    return ownership


def _taken(ownership: Ownership[int]) -> tuple[set[int], set[int]]:
    lost, revoked = ownership.take_gone()
    return set(lost), set(revoked)


def test_an_assigned_partition_is_owned_once_it_is_reported() -> None:
    ownership = Ownership[int]("g")
    ownership.assign({0, 1})
    assert (ownership.owned, ownership.arriving, ownership.has_changes) == (set(), {0, 1}, True)
    ownership.report_arrived({0})
    assert (ownership.owned, ownership.arriving) == ({0}, {1})


def test_lost_and_revoked_partitions_are_reported_once_and_no_longer_owned(ours: Ownership[int]) -> None:
    assert ours.revoke({0})
    ours.lose({1})
    assert ours.staying == {2}
    assert _taken(ours) == ({1}, {0})
    assert (ours.owned, ours.has_changes) == ({2}, False)
    assert _taken(ours) == (set(), set())


def test_a_partition_that_was_taken_and_came_back_is_lost_and_assigned(ours: Ownership[int]) -> None:
    ours.lose({0})
    ours.assign({0})
    assert _taken(ours) == ({0}, set())
    assert ours.arriving == {0}


def test_a_partition_that_is_assigned_again_was_lost_in_between(ours: Ownership[int]) -> None:
    ours.revoke({0})
    ours.assign({0, 1})
    assert _taken(ours) == ({0, 1}, set())
    assert ours.arriving == {0, 1}


def test_what_is_lost_is_not_revoked_as_well(ours: Ownership[int]) -> None:
    ours.lose({0})
    assert not ours.revoke({0})
    ours.revoke({1})
    ours.lose({1})
    assert _taken(ours) == ({0, 1}, set())


def test_partitions_that_go_before_they_are_reported_are_not_reported_at_all(ours: Ownership[int]) -> None:
    ours.assign({7, 8})
    assert not ours.revoke({7})
    ours.lose({8})
    assert _taken(ours) == (set(), set())
    assert ours.arriving == set()


def test_a_loss_is_logged_with_its_possible_reasons(ours: Ownership[int], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ours.lose({0, 1})
        ours.lose({0, 1})
        ours.lose({7})
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("group g took 2 partitions away: no heartbeat reached the broker")
