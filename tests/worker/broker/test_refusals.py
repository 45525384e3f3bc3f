"""Which failures of a connection mean that the cluster refuses the client."""

import ssl

import pytest
from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError

from worker.broker.kafka_python.repairs import refusal_in


def alert(name: str) -> KafkaConnectionError:
    error = ssl.SSLError(1, f"[SSL: {name}] {name}")
    error.reason = name
    return KafkaConnectionError(error)


@pytest.mark.parametrize(
    "name",
    [
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
    ],
)
def test_an_alert_about_our_identity_is_a_refusal(name: str) -> None:
    assert name in str(refusal_in(alert(name), scram=False))


@pytest.mark.parametrize(
    "name",
    ["SSLV3_ALERT_BAD_RECORD_MAC", "TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_DECODE_ERROR", "WRONG_VERSION_NUMBER"],
)
def test_an_alert_about_a_broken_connection_is_no_refusal(name: str) -> None:
    assert refusal_in(alert(name), scram=False) is None


def test_a_broker_that_does_not_know_the_password_is_a_refusal_in_scram_alone() -> None:
    assert isinstance(refusal_in(ValueError("Invalid signature"), scram=True), SaslAuthenticationFailedError)
    assert refusal_in(ValueError("Invalid signature"), scram=False) is None


@pytest.mark.parametrize("scram", [False, True])
def test_an_invalid_host_name_is_no_refusal(scram: bool) -> None:
    assert refusal_in(UnicodeError("encoding with 'idna' codec failed"), scram=scram) is None
