"""Dead letters go back as they came, once, and only those that are wanted."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.fake_broker import FakeBroker, FakeSource
from worker.broker.contract import Headers, Record, TopicPartition
from worker.commands.replay import Replay, Tally, Wanted
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
        letter = dead_letter_headers(
            record,
            reason=reason,
            error="why",
            failed_at=failed_at,
            handled_by=handler_headers(worker_version="1", model=MODEL),
        )
        self.broker.append(TopicPartition(DLQ, partition), value, key=key, headers=letter)

    def source(self) -> FakeSource:
        return self.broker.source(DLQ, group_id="g.replay")

    def replay(self, wanted: Wanted | None = None, *, dry_run: bool = False, source: FakeSource | None = None) -> Tally:
        source = source or self.source()
        sink = None if dry_run else self.broker.sink()
        run = Replay(source, sink, RAW, wanted or Wanted(), timeout_s=1.0)
        try:
            run.run(lambda _done, _left: None)
        finally:
            source.close(timeout_s=0)
        return run.tally

    @property
    def sent_back(self) -> list[Record]:
        return self.broker.stored(RAW)


def test_a_dead_letter_goes_back_as_it_came_with_the_count_of_its_replays() -> None:
    rig = Rig()
    rig.bury(b"{", key=b"film", headers=(("traceparent", b"00-aa"), ("tag", b"one"), ("tag", b"two")))
    rig.replay()
    (record,) = rig.sent_back
    assert (record.key, record.value) == (b"film", b"{")
    assert record.headers == (("traceparent", b"00-aa"), ("tag", b"one"), ("tag", b"two"), ("sentiment-replays", b"1"))


def test_each_dead_letter_is_looked_at_once() -> None:
    rig = Rig()
    for number in range(1200):
        rig.bury(b"%d" % number, partition=number % 2)
    assert rig.replay().sent == {"invalid_json": 1200}
    assert rig.replay().sent == {}
    rig.bury(b"new")
    assert rig.replay().sent == {"invalid_json": 1}
    assert len(rig.sent_back) == 1201


@pytest.mark.parametrize("count", [b"", b"many", b"-1", b"1.0", "²".encode(), b"9" * 5000])
def test_a_count_of_replays_that_no_replay_wrote_is_none(count: bytes) -> None:
    rig = Rig()
    rig.bury(headers=(("sentiment-replays", count),))
    rig.replay()
    (record,) = rig.sent_back
    assert record.headers == (("sentiment-replays", b"1"),)


def test_what_was_sent_back_before_and_failed_again_is_left() -> None:
    rig = Rig()
    rig.bury(headers=(("sentiment-replays", b"1"),))
    rig.bury(headers=(("sentiment-replays", b"no number"),))
    assert rig.replay().kept == {"sent back before": 1}
    assert len(rig.sent_back) == 1


def test_more_replays_are_made_when_asked_for_and_counted() -> None:
    rig = Rig()
    rig.bury(headers=(("sentiment-replays", b"1"),))
    rig.replay(Wanted(most_replays=2))
    assert dict(rig.sent_back[0].headers)["sentiment-replays"] == b"2"


def test_reason_and_time_choose_and_the_end_of_the_time_is_not_in_it() -> None:
    rig = Rig()
    rig.bury(b"other reason", reason=Reason.INVALID_REVIEW)
    for hours in (-1, 0, 1, 2):
        rig.bury(b"%d" % hours, failed_at=NOON + timedelta(hours=hours))
    tally = rig.replay(Wanted([Reason.INVALID_JSON], since=NOON, until=NOON + timedelta(hours=2)))
    assert [record.value for record in rig.sent_back] == [b"0", b"1"]
    assert tally.kept == {"of another reason": 1, "of another time": 2}


def test_what_is_no_dead_letter_of_ours_is_left() -> None:
    rig = Rig()
    rig.broker.append(TopicPartition(DLQ, 0), b"v", key=b"k")
    rig.bury(b"", key=None, reason=Reason.KEYLESS_TOMBSTONE)
    assert rig.replay().kept == {"not written by this worker": 1, "without key and value": 1}
    assert rig.sent_back == []


def test_a_dry_run_sends_nothing_and_remembers_no_place() -> None:
    rig = Rig()
    rig.bury()
    assert rig.replay(dry_run=True).sent == {"invalid_json": 1}
    assert rig.sent_back == []
    assert rig.replay().sent == {"invalid_json": 1}


def test_what_the_broker_refuses_is_told_and_looked_at_again() -> None:
    rig = Rig()
    rig.bury()
    rig.broker.refusals[RAW] = BrokerRefused("too large")
    with pytest.raises(BrokerRefused, match="too large"):
        rig.replay()
    del rig.broker.refusals[RAW]
    assert rig.replay().sent == {"invalid_json": 1}


def test_a_place_that_cannot_be_stored_ends_it() -> None:
    rig = Rig()
    rig.bury()
    source = rig.source()
    source.commit_errors.append(BrokerUnavailable("no answer"))
    with pytest.raises(BrokerUnreachable, match="no answer"):
        rig.replay(source=source)


def test_two_at_once_under_one_group_do_not_get_in_each_others_way() -> None:
    rig = Rig()
    source = rig.source()
    source.poll(timeout_s=0, max_records=1)
    rig.source().poll(timeout_s=0, max_records=1)
    with pytest.raises(BrokerRefused, match="another replay"):
        rig.replay(source=source)
