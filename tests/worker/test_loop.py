"""What the loop promises, shown on fakes; the same promises are kept on a real broker in tests/integration."""

import json
from functools import partial

import pytest

from model.errors import EngineBroken
from tests.support.deployment import CLOSING_S
from tests.worker.rig import DLQ, GROUP, RAW, SCORED, Rig, ids, review, turn_until
from worker.broker.contract import Headers, Polled, Record, TopicPartition
from worker.errors import (
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeadLetterRefused,
    DeliveryFailed,
    Fenced,
    ModelUnusable,
    TooManyDeadLetters,
)
from worker.monitoring.observer import Observer
from worker.scoring.shadow import ModelShadow
from worker.wire.scored import ScoredReview

P0, P1 = TopicPartition(RAW, 0), TopicPartition(RAW, 1)
CACHE_BYTES = 100_000


def header(record: Record, name: str) -> bytes | None:
    return dict(record.headers)[name]


def started(rig: Rig) -> Rig:
    """A worker that is warm and owns its partitions."""
    rig.worker.start()
    turn_until(rig, lambda: rig.health.warm and rig.health.partitions > 0, "the worker owns partitions")
    return rig


def with_early_results(rig: Rig) -> Rig:
    """A worker whose engine holds the second review of nine, while the seven after it are scored already."""
    started(rig)
    rig.sinks[0].hold = True
    lengths = [1, 50, *[1] * 7]
    rig.send(*[review("x " * length, review_id=str(number)) for number, length in enumerate(lengths)])
    turn_until(rig, lambda: bool(rig.sinks[0].held[TopicPartition(SCORED, 0)]), "the first result leaves")
    rig.predictor.gate.clear()
    return rig


# Results


def test_every_review_is_scored_under_its_key_in_its_partition_in_order() -> None:
    rig = Rig()
    rig.send(*[review("good " * length, review_id=f"a{length}") for length in (9, 1, 5, 2, 7, 30)], partition=0)
    rig.send(*[review("bad " * length, review_id=f"b{length}") for length in (3, 8)], partition=1, key=b"other")
    rig.run_until_empty()
    assert ids(rig.scored(0)) == ["a9", "a1", "a5", "a2", "a7", "a30"]
    assert ids(rig.scored(1)) == ["b3", "b8"]
    assert {record.key for record in rig.scored(1)} == {b"other"}
    assert (rig.committed(0), rig.committed(1)) == (6, 2)


def test_a_result_says_what_was_scored_by_which_model_and_where_it_came_from() -> None:
    rig = Rig()
    [sent] = rig.send(review("a fine film", review_id="r1"))
    rig.run_until_empty()
    [record] = rig.scored()
    assert record.value is not None
    result = ScoredReview.model_validate_json(record.value)
    assert (result.review_id, result.tokens, result.truncated) == ("r1", 3, False)
    assert result.model.sha256 == rig.predictor.info.sha256
    assert result.source is not None
    assert (result.source.topic, result.source.partition, result.source.offset) == (RAW, 0, sent.offset)
    assert header(record, "sentiment-source") == b"reviews.raw-0-0"


def test_what_is_out_of_domain_is_flagged_in_its_result_and_counted() -> None:
    rig = Rig()
    rig.send(*[review(text) for text in ("a fine film", "", "good", " ")])
    rig.run_until_empty()
    assert [json.loads(record.value or b"")["out_of_domain"] for record in rig.scored()] == [False, True, False, True]
    assert rig.metric("sentiment_out_of_domain_reviews_total") == 2


def test_records_that_were_deleted_before_they_were_read_are_counted_and_the_others_scored() -> None:
    rig = started(Rig())
    rig.source.pause([P0])
    rig.send(*[review("good", review_id=str(number)) for number in range(9)])
    rig.broker.delete_records(P0, before=4)
    rig.source.resume([P0])
    turn_until(rig, lambda: rig.committed(0) == 9, "all are committed")
    assert ids(rig.scored(0)) == ["4", "5", "6", "7", "8"]
    assert rig.metric("sentiment_skipped_records_total") == 4


def test_no_room_is_lost_when_a_transaction_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_topic_that_is_made_anew_is_scored_from_its_beginning(exactly_once: bool) -> None:
    rig = started(Rig(exactly_once=exactly_once))
    rig.send(*[review("good", review_id=f"old-{number}") for number in range(5)])
    turn_until(rig, lambda: rig.committed(0) == 5, "the old ones are committed")
    rig.broker.delete_topic(RAW)
    rig.broker.create_topic(RAW, partitions=2)
    rig.send(*[review("good", review_id=f"new-{number}") for number in range(9)])
    turn_until(rig, lambda: rig.committed(0) == 9, "the new ones are committed")
    assert ids(rig.scored(0)) == [f"old-{number}" for number in range(5)] + [f"new-{number}" for number in range(9)]


def test_headers_of_the_input_are_carried_over_and_old_provenance_is_replaced() -> None:
    rig = Rig()
    headers = (("traceparent", b"00-aa-bb-01"), ("sentiment-reason", b"invalid_json"), ("tenant", None))
    rig.broker.append(P0, review("again"), key=b"k", headers=headers)
    rig.run_until_empty()
    [record] = rig.scored()
    assert header(record, "traceparent") == b"00-aa-bb-01"
    assert "tenant" in dict(record.headers)
    assert "sentiment-reason" not in dict(record.headers)


def test_a_review_without_an_id_is_named_after_its_place() -> None:
    rig = Rig()
    rig.send(review("one"), review("two"))
    rig.run_until_empty()
    assert ids(rig.scored()) == ["reviews.raw-0-0", "reviews.raw-0-1"]


def test_a_tombstone_is_passed_on_in_its_place() -> None:
    rig = Rig()
    rig.send(review("one"), None, review("two"))
    rig.run_until_empty()
    assert [record.value is None for record in rig.scored()] == [False, True, False]
    assert rig.metric("sentiment_tombstones_total") == 1


# Texts that come again


def test_reviews_of_one_text_are_computed_once_and_each_has_a_result_of_its_own() -> None:
    rig = Rig(cache_bytes=CACHE_BYTES)
    rig.send(*[review("a fine film", review_id=f"a{number}") for number in range(3)], partition=0)
    rig.send(*[review("a fine film", review_id=f"b{number}") for number in range(2)], partition=1)
    rig.run_until_empty()
    results = [ScoredReview.model_validate_json(record.value or b"") for record in rig.scored(0) + rig.scored(1)]
    assert [result.review_id for result in results] == ["a0", "a1", "a2", "b0", "b1"]
    assert [(result.source.partition, result.source.offset) for result in results if result.source] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1),
    ]  # fmt: skip
    assert len({result.score for result in results}) == 1
    assert rig.metric("sentiment_batch_size_reviews_sum") == 1
    assert rig.metric("sentiment_cache_misses_total") == 1
    assert rig.metric("sentiment_cache_hits_total") + rig.metric("sentiment_cache_joined_total") == 4
    assert (rig.committed(0), rig.committed(1)) == (3, 2)


def test_a_text_that_is_known_is_answered_while_the_engine_computes() -> None:
    rig = started(Rig(cache_bytes=CACHE_BYTES))
    rig.send(review("good", review_id="first"))
    turn_until(rig, lambda: rig.committed(0) == 1, "it is computed")
    rig.predictor.gate.clear()
    rig.send(review("slow"), partition=0)
    rig.send(review("good", review_id="again"), partition=1)
    turn_until(rig, lambda: rig.committed(1) == 1, "the known one is committed")
    assert ids(rig.scored(1)) == ["again"]
    assert rig.committed(0) == 1
    rig.predictor.gate.set()


def test_results_of_known_texts_keep_their_place() -> None:
    rig = started(Rig(cache_bytes=CACHE_BYTES, partitions=1))
    rig.send(review("good", review_id="0"))
    turn_until(rig, lambda: rig.committed() == 1, "it is computed")
    rig.predictor.gate.clear()
    rig.send(review("slow", review_id="1"), review("good", review_id="2"))
    turn_until(rig, lambda: rig.metric("sentiment_cache_hits_total") == 1, "the second text is known")
    assert ids(rig.scored()) == ["0"]
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed() == 3, "all are committed")
    assert ids(rig.scored()) == ["0", "1", "2"]


def test_reviews_that_fail_alike_are_a_dead_letter_each_and_the_next_is_computed_again() -> None:
    rig = started(Rig(cache_bytes=CACHE_BYTES, partitions=1))
    rig.predictor.fail_on("poison")
    rig.send(*[review("poison")] * 3, review("good"))
    turn_until(rig, lambda: rig.committed() == 4, "all are committed")
    rig.send(review("poison"))
    turn_until(rig, lambda: rig.committed() == 5, "the next is committed")
    assert [header(dead, "sentiment-source-offset") for dead in rig.broker.stored(DLQ)] == [b"0", b"1", b"2", b"4"]
    assert len(rig.scored()) == 1
    assert rig.metric("sentiment_cache_misses_total") == 3


def test_a_review_that_joined_one_of_a_lost_partition_is_scored_all_the_same() -> None:
    rig = started(Rig(cache_bytes=CACHE_BYTES))
    rig.predictor.gate.clear()
    rig.send(review("slow"))
    turn_until(rig, lambda: rig.held.records == 1, "the engine is busy")
    rig.send(review("good"), partition=0)
    turn_until(rig, lambda: rig.held.records == 2, "one waits")
    rig.send(review("good", review_id="joined"), partition=1)
    turn_until(rig, lambda: rig.metric("sentiment_cache_joined_total") == 1, "one has joined it")
    rig.broker.assign(rig.broker.source(RAW, group_id=GROUP), [P0])
    turn_until(rig, lambda: rig.health.partitions == 1, "the first partition is gone")
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed(1) == 1, "the one that joined is committed")
    assert ids(rig.scored(1)) == ["joined"]
    assert rig.scored(0) == []
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


# Failures


def test_an_unreadable_record_becomes_a_dead_letter_and_its_neighbours_are_scored() -> None:
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


def test_a_null_under_no_key_becomes_an_empty_dead_letter() -> None:
    rig = Rig()
    rig.send(None, key=None)
    rig.run_until_empty()
    [dead] = rig.broker.stored(DLQ)
    assert (dead.value, header(dead, "sentiment-reason")) == (b"", b"keyless_tombstone")


def test_a_review_that_fails_in_the_engine_is_isolated_and_order_is_kept() -> None:
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
def test_the_log_names_record_review_and_trace_of_a_dead_letter(
    headers: Headers, trace: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    rig.predictor.fail_on("poison")
    rig.broker.append(TopicPartition(RAW, 0), review("poison", review_id="r-1"), key=b"k", headers=headers)
    rig.run_until_empty()
    [told] = [record.__dict__ for record in caplog.records if record.getMessage() == "dead letter"]
    assert (told["record"], told["review_id"], told["reason"]) == (f"{RAW}-0-0", "r-1", "unscorable")
    assert told.get("trace_id") == trace


def test_a_dead_letter_that_cannot_be_stored_stops_the_worker_before_it_is_committed() -> None:
    rig = Rig()
    rig.broker.refusals[DLQ] = BrokerRefused("too large")
    rig.send(review("one"), b"{", review("two"))
    with pytest.raises(DeadLetterRefused, match=r"record reviews\.raw-0-1"):
        rig.run_until_empty()
    assert (rig.committed() or 0) <= 1
    assert rig.source.closed


@pytest.mark.parametrize("exactly_once", [False, True])
def test_too_many_dead_letters_stop_the_worker_also_when_those_before_could_not_be_stored(exactly_once: bool) -> None:
    rig = started(Rig(partitions=1, dead_letters=1, exactly_once=exactly_once))
    rig.broker.refusals[DLQ] = DeliveryFailed("expired")
    rig.send(b"no review", b"nor this")
    with pytest.raises(TooManyDeadLetters):
        rig.run_until_empty()
    assert rig.metric("sentiment_replays_total") == 0


def test_too_many_dead_letters_in_a_minute_stop_the_worker_and_the_rest_stays_in_the_topic() -> None:
    rig = Rig(dead_letters=3)
    rig.send(*[b"{"] * 10)
    with pytest.raises(TooManyDeadLetters, match=r"more than 3 dead letters.*reviews\.raw-0-3"):
        rig.run_until_empty()
    assert (len(rig.broker.stored(DLQ)), rig.committed()) == (3, 3)
    assert rig.source.closed
    again = Rig(dead_letters=3, broker=rig.broker)
    with pytest.raises(TooManyDeadLetters):
        again.run_until_empty()
    assert len(rig.broker.stored(DLQ)) == 6, "what was buried is not buried again"


def test_a_dead_letter_that_is_repeated_after_a_replay_counts_once() -> None:
    rig = started(Rig(partitions=1, dead_letters=2))
    rig.sinks[0].hold = True
    rig.send(review("one"), b"no review", b"nor this")
    turn_until(rig, lambda: len(rig.sinks[0].held[TopicPartition(DLQ, 0)]) == 2, "both are buried")
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.committed() == 3, "all is read again and stored")
    assert rig.metric("sentiment_replays_total") == 1
    rig.send(b"one more")
    with pytest.raises(TooManyDeadLetters):
        turn_until(rig, lambda: False, "the worker stops")


def test_a_time_that_is_none_costs_nothing() -> None:
    rig = Rig()
    for timestamp_ms in (1_700_000_000_000_000, -1, 2**62):
        rig.broker.append(P0, review("x"), key=b"k", timestamp_ms=timestamp_ms)
    rig.run_until_empty()
    results = [ScoredReview.model_validate_json(record.value or b"") for record in rig.scored()]
    assert [result.source and result.source.timestamp for result in results][::2] == [None, None]
    assert rig.metric("sentiment_end_to_end_seconds_sum") >= 0


def test_a_broken_engine_ends_the_worker_and_commits_nothing_of_its_batch() -> None:
    rig = Rig()
    rig.predictor.break_with(EngineBroken("device lost"))
    rig.send(review("one"))
    with pytest.raises(ModelUnusable, match="device lost"):
        rig.run_until_empty()
    assert not rig.committed()


def test_a_result_that_was_not_stored_is_replayed_from_the_committed_offset() -> None:
    rig = started(Rig())
    rig.sinks[0].hold = True
    rig.send(*[review("x", review_id=str(number)) for number in range(4)])
    turn_until(rig, lambda: len(rig.sinks[0].held[TopicPartition(SCORED, 0)]) == 4, "four results are under way")
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0))
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.committed() == 4, "all is committed")
    assert ids(rig.scored()) == ["0", "1", "2", "3"]
    assert rig.metric("sentiment_replays_total") == 1
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


def test_nothing_new_is_read_before_the_way_back_is_made() -> None:
    rig = started(Rig())
    rig.sinks[0].hold = True
    rig.send(review("x", review_id="0"))
    turn_until(rig, lambda: len(rig.sinks[0].held[TopicPartition(SCORED, 0)]) == 1, "one result is under way")
    rig.broker.available = False
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.metric("sentiment_replays_total") == 1, "the failure was seen")
    rig.send(review("x", review_id="1"))
    rig.worker.turn()
    rig.broker.available = True
    turn_until(rig, lambda: rig.committed() == 2, "all is committed")
    assert ids(rig.scored()) == ["0", "1"]


def test_a_replay_forgets_what_waits_and_what_came_too_early() -> None:
    rig = with_early_results(Rig(partitions=1))
    turn_until(rig, lambda: rig.metric("sentiment_batch_size_reviews_sum") == 9, "the engine has the second review")
    rig.send(*[review("x")] * 5)
    turn_until(rig, lambda: rig.metric("sentiment_records_read_total") == 14, "five more are read")
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.metric("sentiment_replays_total") == 1, "the failure was seen")
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed() == 14, "all is committed")
    assert [int(number) for number in ids(rig.scored())[:9]] == list(range(9))
    # One that failed, seven early ones, five waiting; the long one was in the engine.
    assert rig.metric("sentiment_stale_results_total") == 1 + 7 + 5 + 1
    assert rig.metric("sentiment_batch_size_reviews_sum") == 8 + 1 + 14  # what waited did not go to the engine
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


# Rebalances


def test_results_of_a_lost_partition_are_dropped_and_its_next_owner_scores_them() -> None:
    first = started(Rig(partitions=1))
    first.predictor.gate.clear()
    first.send(*[review("x", review_id=str(number)) for number in range(6)])
    turn_until(first, lambda: first.held.records == 6, "six reviews are held")
    first.broker.evict(first.source)
    second = Rig(partitions=1, broker=first.broker)
    second.worker.start()
    turn_until(second, lambda: second.source in second.source.group.members, "the second worker is a member")
    first.predictor.gate.set()
    first.broker.assign(second.source, [P0])
    turn_until(first, lambda: first.held.records == 0, "the first worker has let go")
    turn_until(second, lambda: second.committed() == 6, "the second worker has committed")
    assert ids(second.scored()) == [str(number) for number in range(6)]
    assert first.metric("sentiment_stale_results_total") == 6


def test_results_that_came_too_early_are_dropped_with_their_partition() -> None:
    rig = with_early_results(Rig(partitions=1))
    rig.broker.assign(rig.broker.source(RAW, group_id=GROUP), [P0])
    turn_until(rig, lambda: rig.health.partitions == 0, "the partition is given away")
    assert rig.metric("sentiment_stale_results_total") == 7 + 1  # the second still waited for the engine
    assert rig.held.records == 1  # the first is under way to the broker
    rig.predictor.gate.set()


def test_a_partition_gained_while_full_is_paused_like_the_others() -> None:
    rig = Rig(max_records=4)
    started(rig)
    other = rig.broker.source(RAW, group_id=GROUP)
    other.poll(timeout_s=0, max_records=1)
    turn_until(rig, lambda: rig.health.partitions == 1, "the partitions are shared")
    other.poll(timeout_s=0, max_records=1)
    [kept] = rig.offsets.partitions
    rig.predictor.gate.clear()
    rig.send(*[review("x")] * 4, partition=kept.partition)
    turn_until(rig, lambda: rig.held.paused, "the worker is full")
    other.close(timeout_s=0)
    turn_until(rig, lambda: rig.health.partitions == 2, "the other's partition is gained")
    assert rig.source.paused == {P0, P1}
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed(kept.partition) == 4, "all is scored")
    assert rig.source.paused == set()


# Bounds


def test_fetching_pauses_at_the_budget_and_goes_on_below_it() -> None:
    rig = Rig(max_records=10, partitions=1)
    started(rig)
    rig.predictor.gate.clear()
    rig.send(*[review("x", review_id=str(number)) for number in range(100)])
    turn_until(rig, lambda: rig.held.paused, "the worker is full")
    for _ in range(5):
        rig.worker.turn()
    assert rig.held.records == 10
    assert rig.source.paused == {P0}
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed() == 100, "all is committed")
    assert ids(rig.scored()) == [str(number) for number in range(100)]


def test_batches_are_as_small_as_the_latency_target_asks_for() -> None:
    rig = Rig(target_s=0.4, max_reviews=100, threadless=True)
    rig.pricing.observe(1000, took_s=1.0)
    started(rig)
    rig.send(*[review("x " * 10)] * 30)
    turn_until(rig, lambda: not rig.engine.has_room, "the engine has a batch and another lies ready")
    assert rig.metric("sentiment_batch_size_reviews_sum") == 2 * 10  # a quarter of the target each
    rig.now_s += 5
    rig.worker.turn()
    assert rig.metric("sentiment_batch_budget_tokens") == 100
    assert rig.metric("sentiment_price_token_seconds") == pytest.approx(0.001)
    assert rig.metric("sentiment_price_batch_seconds") == pytest.approx(0)


def test_a_batch_that_was_computed_in_parts_teaches_no_price() -> None:
    rig = started(Rig(partitions=1))
    rig.predictor.fail_on("poison")
    rig.send(review("good"), review("poison"))
    turn_until(rig, lambda: rig.committed() == 2, "the bad one is found")
    assert rig.pricing.choose(0).prices is None
    rig.send(review("good"))
    turn_until(rig, lambda: rig.committed() == 3, "a good one is scored")
    assert rig.pricing.choose(0).prices is not None


# Stopping


def test_a_stopped_worker_finishes_what_it_read_commits_and_leaves() -> None:
    rig = started(Rig(partitions=1))
    rig.predictor.gate.clear()
    rig.send(*[review("x", review_id=str(number)) for number in range(20)])
    turn_until(rig, lambda: rig.held.records == 20, "all is read")
    rig.stop.on_signal(15)
    rig.predictor.gate.set()
    rig.worker.run(rig.stop)
    assert ids(rig.scored()) == [str(number) for number in range(20)]
    assert rig.committed() == 20
    assert rig.source.closed
    assert rig.health.ready(rig.now_s) == (False, "stopping")


def test_what_the_drain_budget_does_not_allow_is_left_uncommitted() -> None:
    rig = started(Rig(partitions=1, drain_timeout_s=0.0))
    rig.predictor.gate.clear()
    rig.send(review("x"), review("y"))
    turn_until(rig, lambda: rig.held.records == 2, "all is read")
    rig.stop.on_signal(15)
    rig.worker.run(rig.stop)
    assert not rig.committed()
    assert rig.source.closed
    rig.predictor.gate.set()


def test_a_second_signal_leaves_at_once() -> None:
    rig = started(Rig(partitions=1))
    rig.predictor.gate.clear()
    rig.send(review("x"))
    turn_until(rig, lambda: rig.held.records == 1, "it is read")
    rig.stop.on_signal(15)
    rig.stop.on_signal(15)
    rig.worker.run(rig.stop)
    assert not rig.committed()
    rig.predictor.gate.set()


def test_stopping_right_after_a_failed_send_is_no_error() -> None:
    rig = started(Rig())
    rig.sinks[0].hold = True
    rig.send(review("x"))
    turn_until(rig, lambda: bool(rig.sinks[0].held[TopicPartition(SCORED, 0)]), "one result is under way")
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    rig.worker.turn()
    assert rig.metric("sentiment_replays_total") == 1
    rig.stop.on_signal(15)
    rig.worker.run(rig.stop)
    assert not rig.committed()


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_rebalance_does_not_keep_a_stopped_worker_from_committing(exactly_once: bool) -> None:
    rig = started(Rig(partitions=1, exactly_once=exactly_once, checkpoint_interval_s=1.0))
    rig.source.commit_errors.append(AssignmentLost("a rebalance"))
    rig.predictor.gate.clear()
    rig.send(*[review("x")] * 3)
    turn_until(rig, lambda: rig.held.records == 3, "all is read")
    rig.source.commit_errors.extend([AssignmentLost("a rebalance")] * 2)
    rig.stop.on_signal(15)
    rig.predictor.gate.set()
    rig.worker.run(rig.stop)
    assert rig.committed() == 3


def test_what_hangs_shares_the_time_to_drain_and_the_time_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine, shadow, broker and traces each take all the time that they are given."""
    drain_s = 25.0
    tracer = Observer()
    rig = Rig(partitions=1, drain_timeout_s=drain_s, threadless=True, shadow_share=1.0, observer=tracer)
    rig.send(review("one"))
    rig.worker.start()
    for _ in range(3):
        rig.worker.turn()
    assert not rig.engine.idle

    def hang(*_: object, timeout_s: float, **__: object) -> None:
        rig.now_s += timeout_s

    def fail(*_: object, timeout_s: float, **__: object) -> None:
        rig.now_s += timeout_s
        raise BrokerUnavailable("no answer")

    for of, name in ((rig.engine, "collect"), (tracer, "close"), (rig.engine, "close"), (rig.source, "close")):
        monkeypatch.setattr(of, name, hang)
    monkeypatch.setattr(ModelShadow, "close", hang)
    monkeypatch.setattr(rig.source, "commit", fail)
    monkeypatch.setattr(rig.sinks[0], "flush", fail)
    rig.stop.on_signal(15)
    asked_s = rig.now_s
    rig.now_s += 10.0  # that the turn under way took
    rig.worker.run(rig.stop)
    assert rig.now_s - asked_s <= drain_s + CLOSING_S


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_partition_that_moves_while_the_worker_drains_is_committed_before_it_goes(exactly_once: bool) -> None:
    rig = started(Rig(exactly_once=exactly_once, checkpoint_interval_s=1.0))
    rig.predictor.gate.clear()
    for partition in range(2):
        rig.send(*[review("x")] * 3, partition=partition)
    turn_until(rig, lambda: rig.held.records == 6, "all is read")
    rig.broker.assign(rig.broker.source(RAW, group_id=GROUP), [P0])
    rig.source.rebalancing = True
    rig.stop.on_signal(15)
    rig.predictor.gate.set()
    rig.worker.run(rig.stop)
    assert (rig.committed(0), rig.committed(1)) == (3, 3)


def test_a_worker_that_drains_stays_a_member_and_reads_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that does not poll is thrown out, and nothing of what it still finishes can be committed."""
    rig = started(Rig(partitions=1, threadless=True))
    rig.send(*[review("x")] * 3)
    turn_until(rig, lambda: rig.held.records == 3, "all is read")
    poll = rig.source.poll

    def poll_and_compute(*, timeout_s: float, max_records: int) -> Polled:
        rig.engine.finish()  # only a drain that polls gets anything done
        return poll(timeout_s=timeout_s, max_records=max_records)

    monkeypatch.setattr(rig.source, "poll", poll_and_compute)
    rig.send(*[review("too late")] * 3)
    rig.stop.on_signal(15)
    rig.worker.run(rig.stop)
    assert rig.committed() == 3
    assert len(rig.scored()) == 3


def test_a_commit_that_fails_while_partitions_are_handed_over_leaks_no_room() -> None:
    rig = started(Rig(exactly_once=False))
    rig.sinks[0].hold = True
    rig.send(*[review("x")] * 3, partition=0)
    rig.send(*[review("x")] * 3, partition=1)
    turn_until(rig, lambda: sum(map(len, rig.sinks[0].held.values())) == 6, "six results are under way")
    other = rig.broker.source(RAW, group_id=GROUP)
    rig.broker.assign(other, [P0])
    rig.sinks[0].hold = False
    rig.source.commit_errors.extend([BrokerUnavailable("no answer")] * 3)
    turn_until(rig, lambda: rig.health.partitions == 1, "a partition is handed over")
    turn_until(rig, lambda: rig.committed(1) == 3, "what stayed is committed")
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


# Health


def test_ready_means_warm_and_assigned() -> None:
    rig = Rig()
    assert not rig.health.ready(rig.now_s)[0]
    started(rig)
    assert rig.health.ready(rig.now_s)[0]


def test_what_makes_an_idle_worker_unready_is_logged_once_and_so_is_the_end_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    rig = started(Rig())
    for available in (True, False, True):
        rig.broker.available = available
        for _ in range(3):
            rig.now_s += 1.0
            rig.worker.turn()
    told = [message for message in caplog.messages if "ready" in message]
    assert told == ["ready", "not ready: no broker has answered for more than 10 s", "ready"]


def test_a_broker_that_is_away_makes_nobody_dead() -> None:
    rig = started(Rig(partitions=1))
    rig.sinks[0].hold = True
    rig.send(review("x"))
    turn_until(rig, lambda: bool(rig.sinks[0].held[TopicPartition(SCORED, 0)]), "one result is under way")
    rig.broker.available = False
    for _ in range(5):
        rig.now_s += 30.0
        rig.worker.turn()
    assert rig.health.live(rig.now_s)[0]


def _is_committed(rig: Rig, record: Record) -> bool:
    return rig.committed(record.partition.partition) == record.offset + 1


def test_a_batch_that_is_stuck_beside_others_that_are_not_makes_the_worker_dead() -> None:
    rig = started(Rig(max_reviews=1))
    rig.predictor.hold_on("stuck")
    rig.predictor.gate.clear()
    rig.send(review("stuck"), partition=0)
    for _ in range(7):
        [other] = rig.send(review("good"), partition=1)
        turn_until(rig, partial(_is_committed, rig, other), "the other is committed")
        rig.now_s += 10
    assert not rig.health.live(rig.now_s)[0]
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed(0) == 1, "the stuck one is committed")
    assert rig.health.live(rig.now_s)[0]


def test_a_stuck_engine_makes_the_worker_dead_after_the_stall_time() -> None:
    rig = started(Rig(partitions=1))
    rig.predictor.gate.clear()
    rig.send(review("x"))
    turn_until(rig, lambda: rig.held.records == 1, "it is read")
    rig.now_s += 61.0
    rig.worker.turn()
    assert not rig.health.live(rig.now_s)[0]
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.health.live(rig.now_s)[0], "the worker lives again")
