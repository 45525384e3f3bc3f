"""The fate of a message is its own, not that of another in the same transaction."""

import pytest
from kafka.errors import TopicAuthorizationFailedError

from worker.broker.kafka_python.sink import _Receipt
from worker.broker.receipts import as_fate
from worker.errors import (
    AccessDenied,
    BrokerRefused,
    BrokerUnavailable,
    BrokerUnreachable,
    DeliveryFailed,
    TopicMissing,
    WorkerError,
)


def ignore() -> None:
    """No producer has to end."""


def test_a_refusal_is_told_of_the_topic_that_it_names_whichever_message_meets_it_first() -> None:
    refusals: list[BaseException] = []
    result, dead_letter = _Receipt("scored", refusals, ignore), _Receipt("dlq", refusals, ignore)
    refusal = TopicAuthorizationFailedError({"dlq"})
    result.settle(refusal)
    dead_letter.settle(refusal)
    assert isinstance(result.error, DeliveryFailed)
    assert isinstance(dead_letter.error, AccessDenied)
    assert "Write on topic dlq" in str(dead_letter.error)


def test_the_first_fate_stands() -> None:
    receipt = _Receipt("scored", [], ignore)
    receipt.settle(object())
    receipt.settle(TopicAuthorizationFailedError({"scored"}))
    assert receipt.done
    assert receipt.error is None


@pytest.mark.parametrize(
    ("befell", "fate"),
    [
        (TopicMissing, BrokerRefused),
        (BrokerUnavailable, DeliveryFailed),
        (BrokerUnreachable, DeliveryFailed),
        (AccessDenied, AccessDenied),
    ],
)
def test_what_befell_a_topic_is_told_of_a_message_as_something_that_sending_again_helps_or_does_not(
    befell: type[WorkerError], fate: type[WorkerError]
) -> None:
    told = as_fate(befell("scored is not there"))
    assert type(told) is fate
    assert str(told) == "scored is not there"
