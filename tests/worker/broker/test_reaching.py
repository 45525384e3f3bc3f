"""What can be found out about an address, with real sockets; what a broker says to it: tests/integration, security."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.kafka.ports import free_ports
from tests.security.certificates import Authority
from worker.broker.cluster.reaching import reach

LIMIT_S = 1.0


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does this with each connection, one after the other."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # closed: the test is over
                return
            with connection:
                connection.settimeout(5 * LIMIT_S)
                try:
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def hang_up(_connection: socket.socket) -> None:
    """Say nothing."""


def read_to_the_end(connection: socket.socket) -> None:
    """Read to the end, and say nothing."""
    while connection.recv(100):
        pass


def test_an_unknown_host_name_is_reported() -> None:
    found = reach("no-such-host.invalid:9092", timeout_s=LIMIT_S)
    assert found.name_error
    assert found.port_error is None


def test_an_invalid_host_name_is_reported() -> None:
    assert reach(f"{'a' * 64}.example:9092", timeout_s=LIMIT_S).name_error


def test_a_port_without_a_listener_is_reported() -> None:
    found = reach(f"127.0.0.1:{free_ports(1)[0]}", timeout_s=LIMIT_S)
    assert found.port_error == "Connection refused"


@pytest.mark.parametrize("tls_first", [True, False])
def test_a_server_that_closes_the_connection_is_silence(tls_first: bool) -> None:
    with listening(hang_up) as address:
        assert reach(address, timeout_s=LIMIT_S, tls_first=tls_first).spoken == "silence"


def test_a_server_that_never_answers_is_silence_after_the_time_limit() -> None:
    with listening(read_to_the_end) as address:
        assert reach(address, timeout_s=0.2).spoken == "silence"


def test_a_web_server_is_something_else() -> None:
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
        assert reach(address, timeout_s=LIMIT_S).spoken == "something else"


@pytest.mark.parametrize("wants_certificate", [True, False])
def test_tls_is_recognized_whatever_its_certificate_and_its_demands(tmp_path: Path, wants_certificate: bool) -> None:
    authority = Authority(tmp_path, "nobody-trusts")
    own = authority.sign("broker", dns_name="localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # which refuses within the handshake

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    with listening(answer) as address:
        assert reach(address, timeout_s=LIMIT_S).spoken == "tls"
