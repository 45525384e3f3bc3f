"""Offsets follow acknowledgements."""

import pytest

from tests.fakes.fake_broker import FakeSink
from tests.worker.delivery.rig import RAW, SCORED, DeliveryRig
from worker.delivery.at_least_once import AtLeastOnce
from worker.errors import (
    AccessDenied,
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeadLetterRefused,
    DeliveryFailed,
)
from worker.wire.reasons import Reason


class AtLeastOnceRig(DeliveryRig[FakeSink]):
    """A delivery over a fake broker."""

    def __init__(self) -> None:
        super().__init__()
        self.delivery = AtLeastOnce(
            self.source,
            lambda: self.opened(self.broker.sink()),
            self.offsets,
            commit_interval_s=10.0,
            commit_timeout_s=1.0,
        )


@pytest.fixture
def rig() -> AtLeastOnceRig:
    return AtLeastOnceRig()


def test_an_offset_is_committed_only_after_its_result_is_acknowledged(rig: AtLeastOnceRig) -> None:
    rig.sinks[0].hold = True
    outcome = rig.outcome(0)
    rig.delivery.publish([outcome])
    assert rig.delivery.settle(0.0) == []
    assert (rig.committed, rig.delivery.unfinished) == (0, 1)
    rig.sinks[0].settle_oldest(SCORED)
    assert rig.delivery.settle(20.0) == [outcome]
    assert (rig.committed, rig.delivery.unfinished) == (1, 0)


def test_commits_are_at_least_the_interval_apart(rig: AtLeastOnceRig) -> None:
    rig.delivery.publish([rig.outcome(0)])
    rig.delivery.settle(0.0)
    rig.delivery.publish([rig.outcome(1)])
    rig.delivery.settle(9.0)
    assert rig.committed == 1
    rig.delivery.settle(10.0)
    assert rig.committed == 2


def test_draining_commits_at_once(rig: AtLeastOnceRig) -> None:
    rig.delivery.settle(0.0)
    outcome = rig.outcome(0)
    rig.delivery.publish([outcome])
    assert rig.delivery.drain(timeout_s=1.0) == [outcome]
    assert rig.committed == 1


@pytest.mark.parametrize(("timeout_s", "hurried"), [(0.0, False), (3600.0, True)])
def test_a_drain_without_time_raises_and_commits_what_is_finished(
    rig: AtLeastOnceRig, timeout_s: float, hurried: bool
) -> None:
    rig.delivery.publish([rig.outcome(0)])
    rig.sinks[0].hold = True
    rig.delivery.publish([rig.outcome(1)])
    with pytest.raises(BrokerUnavailable, match="after 0 s"):
        rig.delivery.drain(timeout_s=timeout_s, hurried=lambda: hurried)
    assert rig.committed == 1


@pytest.mark.parametrize("error", [AssignmentLost("rebalance"), BrokerUnavailable("no answer")])
def test_a_failed_commit_is_tried_again(rig: AtLeastOnceRig, error: AssignmentLost | BrokerUnavailable) -> None:
    rig.source.commit_errors.append(error)
    rig.delivery.publish([rig.outcome(0)])
    rig.delivery.settle(0.0)
    assert rig.committed == 0
    rig.delivery.settle(10.0)
    assert rig.committed == 1


def test_a_failed_result_is_not_committed_and_is_returned_by_restart(rig: AtLeastOnceRig) -> None:
    rig.sinks[0].hold = True
    first, second = rig.outcome(0), rig.outcome(1)
    rig.delivery.publish([first, second])
    rig.sinks[0].settle_oldest(SCORED)
    rig.sinks[0].settle_oldest(SCORED, DeliveryFailed("expired"))
    assert rig.delivery.settle(0.0) == [first]
    with pytest.raises(DeliveryFailed):
        rig.delivery.settle(20.0)
    assert rig.committed == 1
    assert rig.delivery.restart() == [second]
    rig.delivery.reopen()
    assert (rig.delivery.unfinished, rig.sinks[0].closed, len(rig.sinks)) == (0, True, 2)


@pytest.mark.parametrize("error", [BrokerRefused("too large"), AccessDenied("no write access")])
def test_a_refused_dead_letter_is_fatal_and_the_error_names_the_record(
    rig: AtLeastOnceRig, error: BrokerRefused | AccessDenied
) -> None:
    rig.broker.refusals["dlq"] = error
    rig.delivery.publish([rig.outcome(0, topic="dlq", dead_because=Reason.INVALID_JSON)])
    with pytest.raises(DeadLetterRefused, match=r"record raw-0-0 could not be stored in dlq"):
        rig.delivery.settle(0.0)
    assert rig.committed == 0


def test_a_refused_result_raises_the_same_error_and_names_the_record(rig: AtLeastOnceRig) -> None:
    rig.broker.refusals["scored"] = AccessDenied("no write access")
    rig.delivery.publish([rig.outcome(0)])
    with pytest.raises(AccessDenied, match=r"record raw-0-0 could not be stored: no write access"):
        rig.delivery.settle(0.0)


def test_if_results_fail_together_the_refused_one_is_raised(rig: AtLeastOnceRig) -> None:
    """Otherwise the worker would send all of them again, and again the refused one would fail."""
    rig.sinks[0].hold = True
    rig.delivery.publish([rig.outcome(0), rig.outcome(1)])
    rig.sinks[0].settle_oldest(SCORED, DeliveryFailed("another one failed"))
    rig.sinks[0].settle_oldest(SCORED, BrokerRefused("too large"))
    with pytest.raises(BrokerRefused, match=r"record raw-0-1 could not be stored: too large"):
        rig.delivery.settle(0.0)


def test_a_result_of_a_lost_partition_is_not_committed(rig: AtLeastOnceRig) -> None:
    rig.delivery.publish([rig.outcome(0)])
    rig.offsets.revoke(RAW)
    rig.delivery.settle(0.0)
    assert rig.committed == 0
