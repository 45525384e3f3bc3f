"""The loop on fakes: the path of a review. tests/integration tests the same promises on a real broker."""

import pytest

from tests.worker.rig import DLQ, GROUP, RAW, Rig, header, ids, review, started, turn_until
from worker.broker.contract import TopicPartition

P0 = TopicPartition(RAW, 0)
CACHE_BYTES = 100_000


# Results


def test_results_keep_the_key_the_partition_and_the_order_of_their_reviews() -> None:
    rig = Rig()
    rig.send(*[review("good " * length, review_id=f"a{length}") for length in (9, 1, 5, 2, 7, 30)], partition=0)
    rig.send(*[review("bad " * length, review_id=f"b{length}") for length in (3, 8)], partition=1, key=b"other")
    rig.run_until_empty()
    assert ids(rig.scored(0)) == ["a9", "a1", "a5", "a2", "a7", "a30"]
    assert ids(rig.scored(1)) == ["b3", "b8"]
    assert {record.key for record in rig.scored(1)} == {b"other"}
    assert (rig.committed(0), rig.committed(1)) == (6, 2)


def test_a_result_names_its_review_its_model_and_its_source() -> None:
    rig = Rig()
    [sent] = rig.send(review("a fine film", review_id="r1"))
    rig.run_until_empty()
    [record], [result] = rig.scored(), rig.results()
    assert (result.review_id, result.tokens, result.truncated) == ("r1", 3, False)
    assert result.model.sha256 == rig.predictor.info.sha256
    assert result.source is not None
    assert (result.source.topic, result.source.partition, result.source.offset) == (RAW, 0, sent.offset)
    assert header(record, "sentiment-source") == b"reviews.raw-0-0"


def test_out_of_domain_reviews_are_flagged_and_counted() -> None:
    rig = Rig()
    rig.send(*[review(text) for text in ("a fine film", "", "good", " ")])
    rig.run_until_empty()
    assert [result.out_of_domain for result in rig.results()] == [False, True, False, True]
    assert rig.metric("sentiment_out_of_domain_reviews_total") == 2


def test_records_deleted_before_they_were_read_are_counted_and_the_others_are_scored() -> None:
    rig = started(Rig())
    rig.source.pause([P0])
    rig.send(*[review("good", review_id=str(number)) for number in range(9)])
    rig.broker.delete_records(P0, before=4)
    rig.source.resume([P0])
    turn_until(rig, lambda: rig.committed(0) == 9, "all are committed")
    assert ids(rig.scored(0)) == ["4", "5", "6", "7", "8"]
    assert rig.metric("sentiment_skipped_records_total") == 4


def test_input_headers_are_kept_and_old_provenance_is_replaced() -> None:
    rig = Rig()
    headers = (("traceparent", b"00-aa-bb-01"), ("sentiment-reason", b"invalid_json"), ("tenant", None))
    rig.broker.append(P0, review("again"), key=b"k", headers=headers)
    rig.run_until_empty()
    [record] = rig.scored()
    assert header(record, "traceparent") == b"00-aa-bb-01"
    assert "tenant" in dict(record.headers)
    assert "sentiment-reason" not in dict(record.headers)


def test_a_review_without_an_id_gets_its_topic_partition_and_offset_as_id() -> None:
    rig = Rig()
    rig.send(review("one"), review("two"))
    rig.run_until_empty()
    assert ids(rig.scored()) == ["reviews.raw-0-0", "reviews.raw-0-1"]


def test_a_tombstone_is_passed_on_in_order() -> None:
    rig = Rig()
    rig.send(review("one"), None, review("two"))
    rig.run_until_empty()
    assert [record.value is None for record in rig.scored()] == [False, True, False]
    assert rig.metric("sentiment_tombstones_total") == 1


def test_a_review_with_an_invalid_timestamp_is_scored_without_it() -> None:
    rig = Rig()
    for timestamp_ms in (1_700_000_000_000_000, -1, 2**62):
        rig.broker.append(P0, review("x"), key=b"k", timestamp_ms=timestamp_ms)
    rig.run_until_empty()
    assert [result.source and result.source.timestamp for result in rig.results()][::2] == [None, None]
    assert rig.metric("sentiment_end_to_end_seconds_sum") >= 0


# The result cache


def test_a_repeated_text_is_computed_once_and_each_review_has_its_own_result() -> None:
    rig = Rig(cache_bytes=CACHE_BYTES)
    rig.send(*[review("a fine film", review_id=f"a{number}") for number in range(3)], partition=0)
    rig.send(*[review("a fine film", review_id=f"b{number}") for number in range(2)], partition=1)
    rig.run_until_empty()
    results = rig.results(0) + rig.results(1)
    assert [result.review_id for result in results] == ["a0", "a1", "a2", "b0", "b1"]
    assert [(result.source.partition, result.source.offset) for result in results if result.source] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1),
    ]  # fmt: skip
    assert len({result.score for result in results}) == 1
    assert rig.metric("sentiment_batch_size_reviews_sum") == 1
    assert rig.metric("sentiment_cache_misses_total") == 1
    assert rig.metric("sentiment_cache_hits_total") + rig.metric("sentiment_cache_joined_total") == 4
    assert (rig.committed(0), rig.committed(1)) == (3, 2)


def test_a_cached_text_is_answered_while_the_engine_is_busy() -> None:
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


def test_results_from_the_cache_keep_the_order() -> None:
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


def test_a_failure_is_not_cached_and_each_review_of_the_text_becomes_a_dead_letter() -> None:
    rig = started(Rig(cache_bytes=CACHE_BYTES, partitions=1))
    rig.predictor.fail_on("poison")
    rig.send(*[review("poison")] * 3, review("good"))
    turn_until(rig, lambda: rig.committed() == 4, "all are committed")
    rig.send(review("poison"))
    turn_until(rig, lambda: rig.committed() == 5, "the next is committed")
    assert [header(dead, "sentiment-source-offset") for dead in rig.broker.stored(DLQ)] == [b"0", b"1", b"2", b"4"]
    assert len(rig.scored()) == 1
    assert rig.metric("sentiment_cache_misses_total") == 3


def test_a_review_is_scored_even_if_it_joined_one_of_a_lost_partition() -> None:
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


# Limits


def test_fetching_pauses_at_the_limit_and_resumes_below_it() -> None:
    rig = Rig(max_inflight_records=10, partitions=1)
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


def test_batches_are_as_small_as_the_latency_target_requires() -> None:
    rig = Rig(target_p99_ms=400, max_batch_reviews=100, threadless=True)
    rig.pricing.observe(1000, took_s=1.0)
    started(rig)
    rig.send(*[review("x " * 10)] * 30)
    turn_until(rig, lambda: not rig.engine.has_room, "the engine has two batches")
    assert rig.metric("sentiment_batch_size_reviews_sum") == 2 * 10  # a quarter of the target each
    rig.now_s += 5
    rig.worker.turn()
    assert rig.metric("sentiment_batch_budget_tokens") == 100
    assert rig.metric("sentiment_price_token_seconds") == pytest.approx(0.001)
    assert rig.metric("sentiment_price_batch_seconds") == pytest.approx(0)


def test_a_batch_computed_in_parts_does_not_change_the_prices() -> None:
    rig = started(Rig(partitions=1))
    rig.predictor.fail_on("poison")
    rig.send(review("good"), review("poison"))
    turn_until(rig, lambda: rig.committed() == 2, "the bad one is found")
    assert rig.pricing.choose(0).prices is None
    rig.send(review("good"))
    turn_until(rig, lambda: rig.committed() == 3, "a good one is scored")
    assert rig.pricing.choose(0).prices is not None
