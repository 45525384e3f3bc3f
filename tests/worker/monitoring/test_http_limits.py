"""The HTTP server with slow and many clients."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, Counter, Metric

from tests.support.until import until
from tests.worker.monitoring.http_rig import LIMIT_S, PAGES, Address, SwitchedHealth, raw, read_all, request
from worker.monitoring import http


def test_silent_clients_do_not_block_others(address: Address) -> None:
    """Three times as many connections as the limit are open and silent."""
    with ExitStack() as silent:
        for _ in range(3 * http.MAX_CONNECTIONS):
            silent.enter_context(raw(address, b"GET /livez"))
        with request(address, "/livez") as response:
            assert response.status == 200


def test_at_the_limit_the_oldest_connection_is_closed(address: Address) -> None:
    with raw(address, b"GET /livez") as oldest, ExitStack() as later:
        for _ in range(http.MAX_CONNECTIONS):
            later.enter_context(raw(address))
        assert read_all(oldest) == b""


def test_a_client_that_sends_slowly_is_cut_off_after_the_timeout(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, but the request does not."""
    monkeypatch.setattr(http, "CLIENT_TIMEOUT_S", 0.2)
    stopped = threading.Event()
    with raw(address, b"GET /livez") as client:
        trickle = threading.Thread(target=send_a_byte_at_a_time, args=(client, stopped))
        trickle.start()
        assert read_all(client) == b""
        stopped.set()
        trickle.join(LIMIT_S)


def test_a_client_that_does_not_read_its_answer_is_cut_off(
    address: Address, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is larger than the kernel's buffer for a client with a small window."""
    monkeypatch.setattr(http, "CLIENT_TIMEOUT_S", 0.2)
    large = Counter("large", "x" * 1000, ["label"], registry=registry)
    for number in range(8_000):
        large.labels(f"{number:01000}")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(LIMIT_S)
        client.connect(address)
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        until(client_threads, LIMIT_S, "the page is being sent")
        until(lambda: not client_threads(), LIMIT_S, "the server gave up")
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert len(body) < int(head.partition(b"Content-Length: ")[2].split()[0])


def test_slow_pages_do_not_raise_the_number_of_clients_above_the_limit(
    health: SwitchedHealth,
) -> None:
    """A closed connection keeps its thread while its page is made."""
    released = threading.Event()
    at_a_time: list[int] = []
    under_way: set[int] = set()

    class Slow:
        def describe(self) -> list[Metric]:
            return []

        def collect(self) -> list[Metric]:
            under_way.add(threading.get_ident())
            at_a_time.append(len(under_way))
            released.wait(LIMIT_S)
            under_way.remove(threading.get_ident())
            return []

    registry = CollectorRegistry()
    registry.register(Slow())
    with http.serve("127.0.0.1", 0, registry=registry, health=health, pages=PAGES) as address, ExitStack() as crowd:
        clients = [
            crowd.enter_context(raw(address, b"GET /metrics HTTP/1.1\r\n\r\n")) for _ in range(4 * http.MAX_CONNECTIONS)
        ]
        until(lambda: len(under_way) >= http.MAX_CONNECTIONS, LIMIT_S, "as many pages as allowed are made")
        released.set()
        answers = [read_all(client) for client in clients]
    assert max(at_a_time) == http.MAX_CONNECTIONS
    assert answers[-1].startswith(b"HTTP/1.0 200 ")


def test_the_end_waits_one_timeout_for_all_hanging_pages_together(
    health: SwitchedHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CLIENT_TIMEOUT_S", 0.5)
    released, under_way = threading.Event(), list[str]()

    def hang() -> http.Page:
        under_way.append("a page")
        released.wait(LIMIT_S)
        return http.PLAIN_TEXT, b""

    with ExitStack() as crowd:
        with http.serve("127.0.0.1", 0, registry=CollectorRegistry(), health=health, pages={"/": hang}) as address:
            for _ in range(http.MAX_CONNECTIONS - 1):
                crowd.enter_context(raw(address, b"GET / HTTP/1.1\r\n\r\n"))
            until(lambda: len(under_way) == http.MAX_CONNECTIONS - 1, LIMIT_S, "all pages hang")
            asked_s = time.monotonic()
        assert time.monotonic() - asked_s < (http.MAX_CONNECTIONS - 1) * http.CLIENT_TIMEOUT_S
        released.set()
        until(lambda: not client_threads(), LIMIT_S, "all threads are back")


def client_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "http-client"]


def send_a_byte_at_a_time(client: socket.socket, stopped: threading.Event) -> None:
    while not stopped.wait(0.02):
        try:
            client.sendall(b"x")
        except OSError:
            return


def test_many_probes_at_once_are_all_answered(address: Address) -> None:
    statuses: list[int] = []

    def probe() -> None:
        with request(address, "/readyz") as response:
            statuses.append(response.status)

    probes = [threading.Thread(target=probe) for _ in range(http.MAX_CONNECTIONS // 2)]
    for thread in probes:
        thread.start()
    for thread in probes:
        thread.join(LIMIT_S)
    assert statuses == [200] * len(probes)
