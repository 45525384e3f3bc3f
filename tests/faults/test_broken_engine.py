"""The network goes wrong in a worker that is otherwise well."""

import json
import math
from itertools import islice

import pytest

from tests.support.broken_engine import BROKEN, MOST_ROWS, NOT_A_NUMBER
from tests.support.kafka_io import read_all
from tests.support.stage import Stage
from tests.support.traffic import around, result_of, reviews, with_word
from tests.support.until import until
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.broker

STALL_S, STALLED = 1.0, "nothing was finished"
DRAIN_S = 2.0


def resumed(stage: Stage) -> list[str]:
    """What is wrong after a worker with a good engine did the rest."""
    stopped = stage.committed()
    assert stage.start(until_empty=True).exit_status() == 0
    return stage.faults(begun_again=[stopped])


@pytest.mark.parametrize("word", ["unscorable", NOT_A_NUMBER])
def test_a_review_that_the_network_fails_on_costs_one_dead_letter(stage: Stage, word: str) -> None:
    """The other reviews of its batch are scored, and every published score is a number."""
    sent = stage.traffic.send(around(word))
    assert stage.start(BROKEN, until_empty=True).exit_status() == 0
    assert stage.faults() == []
    [dead] = read_all(stage.address, stage.topics.dlq)
    assert dict(dead.headers)["sentiment-reason"] == b"unscorable"
    assert result_of(stage.topics.dlq, dead).source == sent[200].place
    results = read_all(stage.address, stage.topics.output)
    assert all(math.isfinite(json.loads(result.value or b"{}")["score"]) for result in results)


def test_a_network_that_scores_nothing_does_not_empty_the_topic_into_the_dead_letter_topic(stage: Stage) -> None:
    """The worker stops with status 10 when there are more dead letters than allowed."""
    stage.traffic.send(with_word(NOT_A_NUMBER, islice(reviews(seed=2), 400)))
    worker = stage.start(BROKEN, max_dead_letters_per_minute=20)
    assert worker.exit_status() == 10
    assert len(read_all(stage.address, stage.topics.dlq)) <= 20
    assert resumed(stage) == []


def test_a_batch_too_large_for_the_memory_is_scored_in_parts(stage: Stage) -> None:
    """No review becomes a dead letter because its batch was too large."""
    stage.traffic.send(with_word("large", islice(reviews(seed=3), 400)))
    worker = stage.start(BROKEN).until_ready()
    stage.traffic.until_answered()
    assert worker.metric("sentiment_batch_size_reviews_sum") > MOST_ROWS * worker.metric(
        "sentiment_batch_size_reviews_count"
    ), "no batch was too large"
    assert worker.metric("sentiment_dead_letters_total") == 0
    assert worker.stop() == 0
    assert stage.faults() == []


@pytest.mark.parametrize(("word", "status"), [("devicefault", 6), ("bug", 1)])
def test_an_engine_that_breaks_stops_the_worker_and_nothing_is_lost(stage: Stage, word: str, status: int) -> None:
    """A device fault ends with status 6, an unexpected error with status 1 and its traceback."""
    stage.traffic.send(around(word))
    worker = stage.start(BROKEN)
    assert worker.exit_status() == status
    assert read_all(stage.address, stage.topics.dlq) == []
    assert resumed(stage) == []


def hung(stage: Stage, word: str = "hang") -> WorkerProcess:
    """A worker whose engine computes for ever."""
    stage.traffic.send(around(word))
    worker = stage.start(BROKEN, stall_timeout_ms=round(STALL_S * 1000), drain_timeout_ms=round(DRAIN_S * 1000))
    until(lambda: (seen := worker.get("/livez"))[0] == 503 and STALLED in seen[1], 60, "the worker reports it")
    return worker


@pytest.mark.parametrize("word", ["hang", "hangalone"], ids=["on-a-batch", "on-the-search-in-it"])
def test_a_hung_engine_is_detected_and_sigterm_ends_the_worker_in_time(stage: Stage, word: str) -> None:
    """`/livez` returns 503; unfinished reviews are scored again."""
    assert hung(stage, word).stop() == 0
    assert resumed(stage) == []


def test_a_hung_engine_does_not_delay_a_second_signal(stage: Stage) -> None:
    """The worker ends at once and nothing is lost."""
    worker = hung(stage)
    worker.terminate()
    until(lambda: worker.get("/readyz") == (503, "stopping\n"), DRAIN_S, "the worker drains")
    worker.terminate()
    worker.exit_status()
    assert resumed(stage) == []
