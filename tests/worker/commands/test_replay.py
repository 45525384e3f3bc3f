"""Dead letters are sent back unchanged, once, and only those that match the filter."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.fake_broker import FakeBroker, FakeSource
from worker.broker.contract import Headers, Record, TopicPartition
from worker.commands.replay import Replay, ReplayFilter
from worker.errors import BrokerRefused, BrokerUnavailable, BrokerUnreachable
from worker.wire.headers import dead_letter_headers, handler_headers
from worker.wire.reasons import Reason
from worker.wire.scored import Model

RAW, DLQ = "raw", "dlq"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MODEL = Model(name="m", version="1", sha256="00")


class Rig:
    """Dead letters in a fake broker."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.broker.create_topic(RAW)
        self.broker.create_topic(DLQ, partitions=2)

    def bury(
        self,
        value: bytes = b"{",
        *,
        key: bytes | None = b"k",
        reason: Reason = Reason.INVALID_JSON,
        failed_at: datetime = NOON,
        headers: Headers = (),
        partition: int = 0,
    ) -> None:
        record = Record(TopicPartition(RAW, 0), 7, None, key, value, headers)
        handled_by = handler_headers(worker_version="1", model=MODEL)
        letter = dead_letter_headers(record, reason=reason, error="why", failed_at=failed_at, handled_by=handled_by)
        self.broker.append(TopicPartition(DLQ, partition), value, key=key, headers=letter)

    def source(self) -> FakeSource:
        return self.broker.source(DLQ, group_id="g.replay")

    def replay(
        self, wanted: ReplayFilter | None = None, *, dry_run: bool = False, source: FakeSource | None = None
    ) -> Replay:
        source = source or self.source()
        sink = None if dry_run else self.broker.sink()
        run = Replay(source, sink, RAW, wanted or ReplayFilter(), timeout_s=1.0)
        try:
            run.run(lambda _done, _left: None)
        finally:
            source.close(timeout_s=0)
        return run

    @property
    def sent_back(self) -> list[Record]:
        return self.broker.stored(RAW)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_dead_letter_is_sent_back_unchanged_with_the_count_of_its_replays(rig: Rig) -> None:
    rig.bury(b"{", key=b"film", headers=(("traceparent", b"00-aa"), ("tag", b"one"), ("tag", b"two")))
    rig.replay()
    (record,) = rig.sent_back
    assert (record.key, record.value) == (b"film", b"{")
    assert record.headers == (("traceparent", b"00-aa"), ("tag", b"one"), ("tag", b"two"), ("sentiment-replays", b"1"))


def test_each_dead_letter_is_read_once(rig: Rig) -> None:
    for number in range(1200):
        rig.bury(b"%d" % number, partition=number % 2)
    assert rig.replay().sent == {"invalid_json": 1200}
    assert rig.replay().sent == {}
    rig.bury(b"new")
    assert rig.replay().sent == {"invalid_json": 1}
    assert len(rig.sent_back) == 1201


@pytest.mark.parametrize("count", [b"", b"many", b"-1", b"1.0", "²".encode(), b"9" * 5000])
def test_an_invalid_count_of_replays_counts_as_zero(rig: Rig, count: bytes) -> None:
    rig.bury(headers=(("sentiment-replays", count),))
    rig.replay()
    (record,) = rig.sent_back
    assert record.headers == (("sentiment-replays", b"1"),)


def test_a_dead_letter_that_failed_again_after_a_replay_is_skipped(rig: Rig) -> None:
    rig.bury(headers=(("sentiment-replays", b"1"),))
    rig.bury(headers=(("sentiment-replays", b"no number"),))
    assert rig.replay().skipped == {"sent back before": 1}
    assert len(rig.sent_back) == 1


def test_a_higher_limit_replays_again_and_counts(rig: Rig) -> None:
    rig.bury(headers=(("sentiment-replays", b"1"),))
    rig.replay(ReplayFilter(max_replays=2))
    assert dict(rig.sent_back[0].headers)["sentiment-replays"] == b"2"


def test_reason_and_time_select_and_the_end_of_the_time_is_excluded(rig: Rig) -> None:
    rig.bury(b"other reason", reason=Reason.INVALID_REVIEW)
    for hours in (-1, 0, 1, 2):
        rig.bury(b"%d" % hours, failed_at=NOON + timedelta(hours=hours))
    run = rig.replay(ReplayFilter([Reason.INVALID_JSON], since=NOON, until=NOON + timedelta(hours=2)))
    assert [record.value for record in rig.sent_back] == [b"0", b"1"]
    assert run.skipped == {"of another reason": 1, "of another time": 2}


def test_what_this_worker_did_not_bury_or_cannot_send_is_skipped(rig: Rig) -> None:
    rig.broker.append(TopicPartition(DLQ, 0), b"v", key=b"k")
    rig.bury(b"", key=None, reason=Reason.KEYLESS_TOMBSTONE)
    assert rig.replay().skipped == {"not written by this worker": 1, "without key and value": 1}
    assert rig.sent_back == []


def test_a_dry_run_sends_nothing_and_commits_nothing(rig: Rig) -> None:
    rig.bury()
    assert rig.replay(dry_run=True).sent == {"invalid_json": 1}
    assert rig.sent_back == []
    assert rig.replay().sent == {"invalid_json": 1}


def test_a_rejected_dead_letter_is_an_error_and_is_read_again(rig: Rig) -> None:
    rig.bury()
    rig.broker.refusals[RAW] = BrokerRefused("too large")
    with pytest.raises(BrokerRefused, match="too large"):
        rig.replay()
    del rig.broker.refusals[RAW]
    assert rig.replay().sent == {"invalid_json": 1}


def test_a_position_that_cannot_be_committed_is_an_error(rig: Rig) -> None:
    rig.bury()
    source = rig.source()
    source.commit_errors.append(BrokerUnavailable("no answer"))
    with pytest.raises(BrokerUnreachable, match="no answer"):
        rig.replay(source=source)


def test_a_second_replay_in_the_same_group_stops_the_first(rig: Rig) -> None:
    source = rig.source()
    source.poll(timeout_s=0, max_records=1)
    rig.source().poll(timeout_s=0, max_records=1)
    with pytest.raises(BrokerRefused, match="another replay"):
        rig.replay(source=source)
