"""The loop on fakes: dead letters, a broken engine, and replays after a failed delivery."""

import json

import pytest

from model.errors import EngineBroken
from tests.worker.rig import (
    DLQ,
    RAW,
    SCORED,
    Rig,
    header,
    ids,
    review,
    started,
    turn_until,
    with_early_results,
    with_results_in_flight,
)
from worker.broker.contract import Headers, TopicPartition
from worker.errors import BrokerRefused, DeadLetterRefused, DeliveryFailed, Fenced, ModelUnusable, TooManyDeadLetters

# Dead letters


def test_an_unreadable_record_becomes_a_dead_letter_and_the_others_are_scored() -> None:
    rig = Rig()
    rig.send(review("one"), b"{not json", review("two"))
    rig.run_until_empty()
    [dead] = rig.broker.stored(DLQ)
    assert dead.value == b"{not json"
    assert header(dead, "sentiment-reason") == b"invalid_json"
    assert header(dead, "sentiment-source-offset") == b"1"
    assert len(rig.scored()) == 2
    assert rig.committed() == 3
    assert rig.metric("sentiment_dead_letters_total", reason="invalid_json") == 1


def test_a_null_value_without_a_key_becomes_an_empty_dead_letter() -> None:
    rig = Rig()
    rig.send(None, key=None)
    rig.run_until_empty()
    [dead] = rig.broker.stored(DLQ)
    assert (dead.value, header(dead, "sentiment-reason")) == (b"", b"keyless_tombstone")


def test_a_review_that_the_engine_fails_on_becomes_a_dead_letter_and_the_order_is_kept() -> None:
    rig = Rig()
    rig.predictor.fail_on("poison")
    texts = [*["fine"] * 5, "poison", *["fine"] * 5]
    rig.send(*[review(text, review_id=str(number)) for number, text in enumerate(texts)])
    rig.run_until_empty()
    [dead] = rig.broker.stored(DLQ)
    assert json.loads(dead.value or b"")["review_id"] == "5"
    assert header(dead, "sentiment-reason") == b"unscorable"
    assert ids(rig.scored()) == [str(number) for number in range(11) if number != 5]
    assert rig.committed() == 11


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ((("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode()),), TRACE),
        ((("traceparent", b"no"),), None),
        ((), None),
    ],
)
def test_the_log_of_a_dead_letter_names_its_record_review_and_trace(
    headers: Headers, trace: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    rig.predictor.fail_on("poison")
    rig.broker.append(TopicPartition(RAW, 0), review("poison", review_id="r-1"), key=b"k", headers=headers)
    rig.run_until_empty()
    [fields] = [record.__dict__ for record in caplog.records if record.getMessage() == "dead letter"]
    assert (fields["record"], fields["review_id"], fields["reason"]) == (f"{RAW}-0-0", "r-1", "unscorable")
    assert fields.get("trace_id") == trace


def test_a_refused_dead_letter_stops_the_worker_and_is_not_committed() -> None:
    rig = Rig()
    rig.broker.refusals[DLQ] = BrokerRefused("too large")
    rig.send(review("one"), b"{", review("two"))
    with pytest.raises(DeadLetterRefused, match=r"record reviews\.raw-0-1"):
        rig.run_until_empty()
    assert (rig.committed() or 0) <= 1
    assert rig.source.closed


@pytest.mark.parametrize("exactly_once", [False, True])
def test_too_many_dead_letters_stop_the_worker_even_if_earlier_ones_could_not_be_stored(exactly_once: bool) -> None:
    rig = started(Rig(partitions=1, max_dead_letters_per_minute=1, exactly_once=exactly_once))
    rig.broker.refusals[DLQ] = DeliveryFailed("expired")
    rig.send(b"no review", b"nor this")
    with pytest.raises(TooManyDeadLetters):
        rig.run_until_empty()
    assert rig.metric("sentiment_replays_total") == 0


def test_too_many_dead_letters_in_a_minute_stop_the_worker_and_the_rest_stays_in_the_topic() -> None:
    rig = Rig(max_dead_letters_per_minute=3)
    rig.send(*[b"{"] * 10)
    with pytest.raises(TooManyDeadLetters, match=r"more than 3 dead letters.*reviews\.raw-0-3"):
        rig.run_until_empty()
    assert (len(rig.broker.stored(DLQ)), rig.committed()) == (3, 3)
    assert rig.source.closed
    again = Rig(max_dead_letters_per_minute=3, broker=rig.broker)
    with pytest.raises(TooManyDeadLetters):
        again.run_until_empty()
    assert len(rig.broker.stored(DLQ)) == 6, "no dead letter is repeated"


def test_a_dead_letter_repeated_by_a_replay_counts_once() -> None:
    rig = started(Rig(partitions=1, max_dead_letters_per_minute=2))
    rig.sinks[0].hold = True
    rig.send(review("one"), b"no review", b"nor this")
    turn_until(rig, lambda: len(rig.sinks[0].held[TopicPartition(DLQ, 0)]) == 2, "both dead letters are in flight")
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.committed() == 3, "all is read again and stored")
    assert rig.metric("sentiment_replays_total") == 1
    rig.send(b"one more")
    with pytest.raises(TooManyDeadLetters):
        turn_until(rig, lambda: False, "the worker stops")


# A broken engine


def test_a_broken_engine_stops_the_worker_and_its_batch_is_not_committed() -> None:
    rig = Rig()
    rig.predictor.break_with(EngineBroken("device lost"))
    rig.send(review("one"))
    with pytest.raises(ModelUnusable, match="device lost"):
        rig.run_until_empty()
    assert not rig.committed()


# Replays


def test_after_a_failed_delivery_reviews_are_read_again_from_the_committed_offset() -> None:
    rig = with_results_in_flight(started(Rig()), *[review("x", review_id=str(number)) for number in range(4)])
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0))
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.committed() == 4, "all is committed")
    assert ids(rig.scored()) == ["0", "1", "2", "3"]
    assert rig.metric("sentiment_replays_total") == 1
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


def test_nothing_is_read_before_the_worker_is_back_at_the_committed_offsets() -> None:
    rig = with_results_in_flight(started(Rig()), review("x", review_id="0"))
    rig.broker.available = False
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.metric("sentiment_replays_total") == 1, "the failure was seen")
    rig.send(review("x", review_id="1"))
    rig.worker.turn()
    rig.broker.available = True
    turn_until(rig, lambda: rig.committed() == 2, "all is committed")
    assert ids(rig.scored()) == ["0", "1"]


def test_a_replay_drops_waiting_reviews_and_early_results() -> None:
    rig = with_early_results(Rig(partitions=1))
    turn_until(rig, lambda: rig.metric("sentiment_batch_size_reviews_sum") == 9, "the engine has the second review")
    rig.send(*[review("x")] * 5)
    turn_until(rig, lambda: rig.metric("sentiment_records_read_total") == 14, "five more are read")
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.metric("sentiment_replays_total") == 1, "the failure was seen")
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed() == 14, "all is committed")
    assert [int(number) for number in ids(rig.scored())[:9]] == list(range(9))
    # One failed, seven were early, five waited, and the long one was in the engine.
    assert rig.metric("sentiment_stale_results_total") == 1 + 7 + 5 + 1
    assert rig.metric("sentiment_batch_size_reviews_sum") == 8 + 1 + 14  # the five waiting ones went there only once
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


def test_a_transaction_that_cannot_begin_leaks_no_held_records(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = started(Rig(exactly_once=True))
    sink = rig.sinks[-1]

    def refuse_once() -> None:
        monkeypatch.undo()
        raise Fenced("another has the name")

    monkeypatch.setattr(sink, "begin", refuse_once)
    rig.send(*[review("good", review_id=str(number)) for number in range(4)], b"{", review("good", review_id="5"))
    turn_until(rig, lambda: rig.committed(0) == 6, "all are committed")
    assert rig.metric("sentiment_replays_total") == 1
    assert rig.held.records == 0
