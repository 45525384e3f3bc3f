"""A topic that does not take what the worker has to write: it stops, and nothing is lost."""

from collections.abc import Iterator
from itertools import islice

import pytest
from kafka.admin import ACLOperation, ResourceType

from tests.support.kafka_io import Message, denied, set_topic_config
from tests.support.stage import Stage
from tests.support.traffic import reviews

pytestmark = pytest.mark.broker

BAD = Message(b"no review" * 1000, key=b"bad", partition=0)


def mixed(good: Iterator[Message]) -> list[Message]:
    """Good reviews around a bad record."""
    return [*islice(good, 200), BAD, *islice(good, 200)]


def resumed(stage: Stage) -> list[str]:
    """What is wrong after another worker did the rest."""
    stopped = stage.committed()
    assert stage.start(until_empty=True).exit_status() == 0
    return stage.faults(begun_again=[stopped])


def test_a_dead_letter_that_its_topic_does_not_take_stops_the_worker_until_that_is_mended(stage: Stage) -> None:
    set_topic_config(stage.address, stage.topics.dlq, "max.message.bytes", "1000")
    stage.traffic.send(mixed(reviews(seed=1)))
    worker = stage.start()
    assert worker.exit_status() == 8
    assert f"{stage.topics.input}-0-" in worker.log()
    assert stage.topics.dlq in worker.log()
    set_topic_config(stage.address, stage.topics.dlq, "max.message.bytes", "8000000")
    assert resumed(stage) == []


@pytest.mark.parametrize(("which", "status"), [("output", 5), ("dlq", 8)])
def test_a_topic_that_may_not_be_written_stops_the_worker_until_that_is_mended(
    stage: Stage, which: str, status: int
) -> None:
    name = getattr(stage.topics, which)
    stage.traffic.send(mixed(reviews(seed=2)))
    with denied(stage.address, ResourceType.TOPIC, name, ACLOperation.WRITE):
        worker = stage.start()
        assert worker.exit_status() == status
    assert name in worker.log()
    assert resumed(stage) == []
