"""The outcome of a message is its own, not that of another in the same transaction."""

from typing import Any

import pytest
from kafka.errors import TopicAuthorizationFailedError

from worker.broker.connection import Connection
from worker.broker.contract import Outgoing
from worker.broker.kafka_python.sink import KafkaSink
from worker.broker.receipts import Sent, as_outcome
from worker.errors import (
    AccessDenied,
    BrokerRefused,
    BrokerUnavailable,
    BrokerUnreachable,
    DeliveryFailed,
    TopicMissing,
    WorkerError,
)


def nothing() -> None:
    """No library has to be asked."""


def sent(topic: str) -> Sent:
    return Sent(Outgoing(topic, None, b"v"), nothing)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A sink without a producer."""
    monkeypatch.setattr(KafkaSink, "_open", lambda self: setattr(self, "_refusals", []))
    monkeypatch.setattr(KafkaSink, "_stop_sending", lambda _: None)
    return KafkaSink(Connection("localhost:1"))


def test_a_denied_topic_is_the_outcome_of_its_own_messages_alone(sink: Any) -> None:
    result, dead_letter = sent("scored"), sent("dlq")
    denied = TopicAuthorizationFailedError({"dlq"})
    sink._settle(result, denied)
    sink._settle(dead_letter, denied)
    assert isinstance(result.error, DeliveryFailed)
    assert isinstance(dead_letter.error, AccessDenied)
    assert "Write on topic dlq" in str(dead_letter.error)


def test_the_first_outcome_stands(sink: Any) -> None:
    receipt = sent("scored")
    sink._settle(receipt, object())
    sink._settle(receipt, TopicAuthorizationFailedError({"scored"}))
    assert receipt.done
    assert receipt.error is None


def test_asking_whether_a_message_is_done_may_bring_its_outcome() -> None:
    receipt = Sent(Outgoing("scored", None, b"v"), lambda: receipt.settle(None))
    assert not receipt.is_done
    assert receipt.done


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TopicMissing, BrokerRefused),
        (BrokerUnavailable, DeliveryFailed),
        (BrokerUnreachable, DeliveryFailed),
        (AccessDenied, AccessDenied),
    ],
)
def test_the_error_of_a_topic_becomes_an_outcome_that_says_whether_sending_again_helps(
    error: type[WorkerError], outcome: type[WorkerError]
) -> None:
    found = as_outcome(error("scored is not there"))
    assert type(found) is outcome
    assert str(found) == "scored is not there"
