"""A topic that does not take what the worker has to write: it stops, or waits, and nothing is lost."""

import json
from collections.abc import Iterator
from itertools import islice

import pytest
from kafka.admin import ACLOperation, ResourceType

from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import Message, create_topics, delete_topics, denied, set_topic_config
from tests.support.stage import Stage
from tests.support.traffic import reviews
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

BAD = Message(b"no review" * 1000, key=b"bad", partition=0)
LONG_NAME = Message(json.dumps({"review_id": "x" * 10_000, "text": "a good film"}).encode(), key=b"long", partition=0)
MOST_REPLAYS = 10
BOTH_DELIVERIES = pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])


def mixed(good: Iterator[Message], bad: Message = BAD) -> list[Message]:
    """Good reviews around a bad record."""
    return [*islice(good, 200), bad, *islice(good, 200)]


def resumed(stage: Stage, *, replays: int = 0) -> list[str]:
    """What is wrong after another worker did the rest; `replays`: how often the first may have gone back."""
    stopped = stage.committed()
    assert stage.start(until_empty=True).exit_status() == 0
    stage.traffic.until_answered()  # an open transaction of the first one holds readers up
    return stage.faults(begun_again=[*[{}] * replays, stopped])


def test_a_dead_letter_that_its_topic_refuses_stops_the_worker_until_the_topic_is_fixed(stage: Stage) -> None:
    """It ends with status 8 and does not commit the record: a dead letter is never dropped."""
    set_topic_config(stage.address, stage.topics.dlq, "max.message.bytes", "1000")
    stage.traffic.send(mixed(reviews(seed=1)))
    worker = stage.start()
    assert worker.exit_status() == 8
    assert f"{stage.topics.input}-0-" in worker.log()
    assert stage.topics.dlq in worker.log()
    set_topic_config(stage.address, stage.topics.dlq, "max.message.bytes", "8000000")
    assert resumed(stage) == []


@pytest.mark.parametrize(("which", "status"), [("output", 5), ("dlq", 8)])
def test_a_topic_without_write_permission_stops_the_worker_until_it_is_granted(
    stage: Stage, which: str, status: int
) -> None:
    """It ends with status 5, or 8 for dead letters, and names the topic; nothing is lost."""
    name = getattr(stage.topics, which)
    stage.traffic.send(mixed(reviews(seed=2)))
    with denied(stage.address, ResourceType.TOPIC, name, ACLOperation.WRITE):
        worker = stage.start()
        assert worker.exit_status() == status
    assert name in worker.log()
    assert resumed(stage) == []


@BOTH_DELIVERIES
def test_a_result_that_is_too_large_for_its_topic_stops_the_worker_until_the_topic_is_fixed(
    stage: Stage, delivery: str
) -> None:
    """It ends with status 9 and names the record and the topic: no result and no dead letter is dropped."""
    set_topic_config(stage.address, stage.topics.output, "max.message.bytes", "8000")
    stage.traffic.send(mixed(reviews(seed=3), LONG_NAME))
    worker = stage.start(delivery=delivery, transaction_timeout_ms=2_000)
    assert worker.exit_status() == 9
    assert f"{stage.topics.input}-0-50" in worker.log()
    assert stage.topics.output in worker.log()
    set_topic_config(stage.address, stage.topics.output, "max.message.bytes", "8000000")
    # The refusal fails what follows it; at least once, that is sent again until the refused one is the first. The log
    # does not show how many: it holds repeats back.
    assert resumed(stage, replays=MOST_REPLAYS if delivery == "at_least_once" else 0) == []


@pytest.mark.parametrize(("which", "status"), [("output", 9), ("dlq", 8)])
def test_a_topic_that_is_deleted_while_in_use_stops_the_worker_until_it_exists_again(
    stage: Stage, which: str, status: int
) -> None:
    """It waits for the delivery timeout, then names the topic. Records of the deleted topic are gone."""
    name = getattr(stage.topics, which)
    good = reviews(seed=5)
    worker = stage.start(delivery_timeout_ms=2_000)
    stage.traffic.send(islice(good, 200))
    stage.traffic.until_answered()
    until(lambda: sum(stage.committed().values()) == 200, 30, "all of it is committed")
    delete_topics(stage.address, [name])
    stage.traffic.send(mixed(good))
    assert worker.exit_status() == status
    assert name in worker.log()
    create_topics(stage.address, [name])
    stage.traffic.begin_again(name)
    assert resumed(stage) == []
