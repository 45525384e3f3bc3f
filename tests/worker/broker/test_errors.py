"""Both clients give the error of a broker the same meaning: that of one table, by the codes of Kafka's protocol."""

from collections.abc import Mapping

import pytest
from confluent_kafka import KafkaError
from kafka.errors import BrokerResponseError, KafkaConnectionError, KafkaTimeoutError, NoError, for_code

from worker.broker.confluent import errors as confluent
from worker.broker.errors import RETRIABLE, Code, error_class, to_read
from worker.broker.kafka_python import errors as kafka_python
from worker.errors import AccessDenied, AssignmentLost, BrokerUnavailable, DeliveryFailed, Fenced, WorkerError

# The codes that librdkafka uses in a way of its own; see `worker.broker.confluent.errors`.
USED_DIFFERENTLY: Mapping[int, type[WorkerError]] = {
    Code.INVALID_PRODUCER_EPOCH: Fenced,
    Code.FENCED_INSTANCE_ID: AssignmentLost,
}
CODES = range(-1, 128)


def known_to_the_library(code: int) -> type[BrokerResponseError]:
    error: type[BrokerResponseError] = for_code(code)
    return error


@pytest.mark.parametrize("code", [code for code in CODES if code != NoError.errno])
def test_both_clients_give_a_code_the_same_class(code: int) -> None:
    ours = type(kafka_python.translate(known_to_the_library(code)("why"), "doing"))
    assert ours is error_class(code)
    assert type(confluent.translate(KafkaError(code), "doing")) is USED_DIFFERENTLY.get(code, ours)


def test_codes_that_the_protocol_calls_retriable_may_pass() -> None:
    retriable = {code for code in CODES if known_to_the_library(code).retriable}
    assert retriable - {Code.UNKNOWN_TOPIC_OR_PARTITION} | {-1, 8} == RETRIABLE


@pytest.mark.parametrize("error", [KafkaTimeoutError("why"), KafkaConnectionError("why"), for_code(999)("why")])
def test_errors_without_a_known_code_that_may_pass_are_waited_out(error: Exception) -> None:
    assert isinstance(kafka_python.translate(error, "doing"), BrokerUnavailable)


def test_a_missing_permission_is_named_by_both_clients() -> None:
    code = Code.GROUP_AUTHORIZATION_FAILED
    needs = to_read("raw", "g")
    expected = (
        "joining failed: the broker does not allow this user Read on group g. Grant it; docs/security.md lists what a "
        "worker needs"
    )
    for error in (
        kafka_python.translate(known_to_the_library(code)(), "joining", needs=needs),
        confluent.translate(KafkaError(code), "joining", needs=needs),
    ):
        assert isinstance(error, AccessDenied)
        assert str(error) == expected


def test_what_is_unavailable_may_be_named_otherwise() -> None:
    for error in (
        kafka_python.translate(KafkaTimeoutError(), "sending", unavailable=DeliveryFailed),
        confluent.translate(KafkaError(KafkaError._MSG_TIMED_OUT), "sending", unavailable=DeliveryFailed),
    ):
        assert isinstance(error, DeliveryFailed)
