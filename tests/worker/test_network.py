"""What the library's network half does with our repairs."""

import socket

from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from tests.support.until import until
from worker.kafka_broker.network import data_before_end


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
    data_before_end(transport)
    transport.set_protocol(heard)
    transport.resume_reading()

    def ended() -> bool:
        net.poll(timeout_ms=10)
        return "end" in heard.events

    until(ended, 5, "the end of the connection")
    net.close()
    assert heard.events == [b"no: wrong password", "end"]
