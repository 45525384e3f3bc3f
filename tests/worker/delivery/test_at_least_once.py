"""Offsets follow acknowledgements."""

import pytest

from tests.fakes.fake_broker import FakeBroker, FakeSink, FakeSource
from worker.broker.contract import Outgoing, Record, TopicPartition
from worker.delivery.at_least_once import AtLeastOnce
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcome
from worker.errors import (
    AccessDenied,
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeadLetterRefused,
    DeliveryFailed,
)
from worker.wire.reasons import Reason

RAW, SCORED = TopicPartition("raw", 0), TopicPartition("scored", 0)


class AtLeastOnceRig:
    """A delivery over a fake broker, with one partition assigned and one record read."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        for topic in ("raw", "scored", "dlq"):
            self.broker.create_topic(topic)
        self.source: FakeSource = self.broker.source("raw", group_id="g")
        self.source.poll(timeout_s=0, max_records=1)
        self.offsets = Offsets()
        self.offsets.assign(RAW)
        self.sinks: list[FakeSink] = []
        self.delivery = AtLeastOnce(
            self.source, self._open_sink, self.offsets, commit_interval_s=10.0, commit_timeout_s=1.0
        )

    def _open_sink(self) -> FakeSink:
        self.sinks.append(self.broker.sink())
        return self.sinks[-1]

    def outcome(self, offset: int, *, topic: str = "scored", dead_because: Reason | None = None) -> Outcome:
        generation = self.offsets.received(RAW, offset)
        message = Outgoing(topic, b"k", b"v")
        return Outcome(Record(RAW, offset, None, b"k", b"v"), generation, message, dead_because=dead_because)

    @property
    def committed(self) -> int | None:
        return self.broker.committed["g"].get(RAW)


def test_an_offset_is_committed_only_after_its_result_is_acknowledged() -> None:
    rig = AtLeastOnceRig()
    rig.sinks[0].hold = True
    outcome = rig.outcome(0)
    rig.delivery.publish([outcome])
    assert rig.delivery.settle(0.0) == []
    assert (rig.committed, rig.delivery.unfinished) == (0, 1)
    rig.sinks[0].settle_oldest(SCORED)
    assert rig.delivery.settle(20.0) == [outcome]
    assert (rig.committed, rig.delivery.unfinished) == (1, 0)


def test_commits_are_at_least_the_interval_apart() -> None:
    rig = AtLeastOnceRig()
    rig.delivery.publish([rig.outcome(0)])
    rig.delivery.settle(0.0)
    rig.delivery.publish([rig.outcome(1)])
    rig.delivery.settle(9.0)
    assert rig.committed == 1
    rig.delivery.settle(10.0)
    assert rig.committed == 2


def test_draining_commits_at_once() -> None:
    rig = AtLeastOnceRig()
    rig.delivery.settle(0.0)
    outcome = rig.outcome(0)
    rig.delivery.publish([outcome])
    assert rig.delivery.drain(timeout_s=1.0) == [outcome]
    assert rig.committed == 1


def test_a_drain_that_times_out_raises_and_commits_what_is_finished() -> None:
    rig = AtLeastOnceRig()
    rig.delivery.publish([rig.outcome(0)])
    rig.sinks[0].hold = True
    rig.delivery.publish([rig.outcome(1)])
    with pytest.raises(BrokerUnavailable):
        rig.delivery.drain(timeout_s=0.0)
    assert rig.committed == 1


def test_a_hurried_drain_stops_waiting_and_commits_what_is_finished() -> None:
    rig = AtLeastOnceRig()
    rig.delivery.publish([rig.outcome(0)])
    rig.sinks[0].hold = True
    rig.delivery.publish([rig.outcome(1)])
    with pytest.raises(BrokerUnavailable, match="after 0 s"):
        rig.delivery.drain(timeout_s=3600.0, hurried=lambda: True)
    assert rig.committed == 1


@pytest.mark.parametrize("error", [AssignmentLost("rebalance"), BrokerUnavailable("no answer")])
def test_a_failed_commit_is_tried_again(error: AssignmentLost | BrokerUnavailable) -> None:
    rig = AtLeastOnceRig()
    rig.source.commit_errors.append(error)
    rig.delivery.publish([rig.outcome(0)])
    rig.delivery.settle(0.0)
    assert rig.committed is None
    rig.delivery.settle(10.0)
    assert rig.committed == 1


def test_a_failed_result_is_not_committed_and_is_returned_by_restart() -> None:
    rig = AtLeastOnceRig()
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
def test_a_refused_dead_letter_is_fatal_and_the_error_names_the_record(error: BrokerRefused | AccessDenied) -> None:
    rig = AtLeastOnceRig()
    rig.broker.refusals["dlq"] = error
    rig.delivery.publish([rig.outcome(0, topic="dlq", dead_because=Reason.INVALID_JSON)])
    with pytest.raises(DeadLetterRefused, match=r"record raw-0-0 could not be stored in dlq"):
        rig.delivery.settle(0.0)
    assert rig.committed is None


def test_a_refused_result_raises_the_same_error_and_names_the_record() -> None:
    rig = AtLeastOnceRig()
    rig.broker.refusals["scored"] = AccessDenied("no write access")
    rig.delivery.publish([rig.outcome(0)])
    with pytest.raises(AccessDenied, match=r"record raw-0-0 could not be stored: no write access"):
        rig.delivery.settle(0.0)


def test_if_results_fail_together_the_refused_one_is_raised() -> None:
    """Otherwise the worker would send all of them again, and again the refused one would fail."""
    rig = AtLeastOnceRig()
    rig.sinks[0].hold = True
    rig.delivery.publish([rig.outcome(0), rig.outcome(1)])
    rig.sinks[0].settle_oldest(SCORED, DeliveryFailed("another one failed"))
    rig.sinks[0].settle_oldest(SCORED, BrokerRefused("too large"))
    with pytest.raises(BrokerRefused, match=r"record raw-0-1 could not be stored: too large"):
        rig.delivery.settle(0.0)


def test_a_result_of_a_lost_partition_is_not_committed() -> None:
    rig = AtLeastOnceRig()
    rig.delivery.publish([rig.outcome(0)])
    rig.offsets.revoke(RAW)
    rig.delivery.settle(0.0)
    assert rig.committed is None
