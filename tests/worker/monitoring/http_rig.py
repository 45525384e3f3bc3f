"""A served page, and clients that test it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPResponse

import pytest
from prometheus_client import CollectorRegistry, Counter

from worker.monitoring import http

LIMIT_S = 10.0  # far above the time of an answer, far below the timeout of a test
Address = tuple[str, int]
Serve = Callable[[str, int], AbstractContextManager[Address]]
PAGES: http.Pages = {"/": lambda: ("text/html; charset=utf-8", b"<p>a page</p>")}


class SwitchedHealth:
    """A health whose answers a test sets."""

    def __init__(self) -> None:
        self.is_live = (True, "progressing")
        self.is_ready = (True, "progressing")
        self.asked_s: list[float] = []

    def live(self, now_s: float) -> tuple[bool, str]:
        self.asked_s.append(now_s)
        return self.is_live

    def ready(self, now_s: float) -> tuple[bool, str]:
        self.asked_s.append(now_s)
        return self.is_ready


@pytest.fixture
def health() -> SwitchedHealth:
    return SwitchedHealth()


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("reviews_total", "Reviews scored.", registry=registry).inc(7)
    return registry


@pytest.fixture
def serve(health: SwitchedHealth, registry: CollectorRegistry) -> Serve:
    return partial(http.serve, registry=registry, health=health, pages=PAGES)


@pytest.fixture
def address(serve: Serve) -> Iterator[Address]:
    with serve("127.0.0.1", 0) as address:
        yield address


@contextmanager
def request(address: Address, path: str, *, method: str = "GET", **headers: str) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(*address, timeout=LIMIT_S)
    try:
        connection.request(method, path, headers=headers)
        yield connection.getresponse()
    finally:
        connection.close()


def status(address: Address, path: str, **headers: str) -> int:
    with request(address, path, **headers) as response:
        return response.status


@contextmanager
def raw(address: Address, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        client.sendall(sent)
        yield client


def answer_to(address: Address, sent: bytes) -> bytes:
    with raw(address, sent) as client:
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    answer = b""
    try:
        while chunk := client.recv(65536):
            answer += chunk
    except ConnectionResetError:  # the server closed the connection before it read everything
        pass
    return answer
