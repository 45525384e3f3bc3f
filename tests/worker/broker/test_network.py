"""What the library's network half does with our repairs."""

import socket
import ssl

import pytest
from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from tests.support.until import until
from worker.broker.kafka_python.network import data_before_end, refusal_in


class Heard:
    """Stands in for a connection: what it was told, in order."""

    _sensors = None

    def __init__(self) -> None:
        self.events: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self.events.append("end")


def test_last_words_that_come_with_the_end_of_a_connection_are_heard() -> None:
    net = NetworkSelector()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(b"no: wrong password")
    theirs.close()
    transport, heard = KafkaTCPTransport(net, ours), Heard()
    data_before_end(transport, lambda: None)
    transport.set_protocol(heard)
    transport.resume_reading()

    def ended() -> bool:
        net.poll(timeout_ms=10)
        return "end" in heard.events

    until(ended, 5, "the end of the connection")
    net.close()
    assert heard.events == [b"no: wrong password", "end"]


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
def test_an_alert_over_who_we_are_is_a_refusal(name: str) -> None:
    assert name in str(refusal_in(alert(name), scram=False))


@pytest.mark.parametrize(
    "name",
    ["SSLV3_ALERT_BAD_RECORD_MAC", "TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_DECODE_ERROR", "WRONG_VERSION_NUMBER"],
)
def test_an_alert_over_a_connection_in_trouble_is_none(name: str) -> None:
    assert refusal_in(alert(name), scram=False) is None


def test_a_broker_that_does_not_know_the_password_is_refused_in_scram_alone() -> None:
    assert isinstance(refusal_in(ValueError("Invalid signature"), scram=True), SaslAuthenticationFailedError)
    assert refusal_in(ValueError("Invalid signature"), scram=False) is None


@pytest.mark.parametrize("scram", [False, True])
def test_a_host_that_cannot_be_one_is_no_refusal(scram: bool) -> None:
    assert refusal_in(UnicodeError("encoding with 'idna' codec failed"), scram=scram) is None
