"""What clients may do to the HTTP server over a real socket. See `worker.monitoring.http`."""

import random
import re
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from tests.fuzz.fuzzer import Target
from tests.fuzz.mutation import ODD_BYTES, mutated
from tests.support.until import until
from worker.monitoring import http

LIMIT_S: Final = 4.0  # below the time-out of a client: a client that waits for another one's would show
Address = tuple[str, int]
VALID: Final = [
    b"GET /metrics HTTP/1.1\r\nHost: localhost:8080\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n",
    b"GET /livez HTTP/1.0\r\n\r\n",
    b"HEAD /readyz?verbose HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET http://h/livez HTTP/2.0\r\nUpgrade: h2c\r\nA: b\r\n c: d\r\n\r\n",
]
ODD: Final = (
    *ODD_BYTES,
    *(
        b"GET ",
        b"HTTP/9.9",
        b"HTTP/1.",
        b"/../../etc/passwd",
        b"//",
        b"%00%2f",
        b"Content-Length: 99999999999\r\n",
        b"\r",
    ),
    *(b"Accept: " + b"," * 4000 + b"\r\n", b"a: b\r\n" * 200, b"A" * 8192, b"\r\n\r\nGET /livez HTTP/1.1\r\n\r\n"),
)
STATUS: Final = re.compile(rb"HTTP/1\.0 (\d{3}) [^\r\n]*\r\n")
RESET: Final = struct.pack("ii", 1, 0)


class Healthy:
    """Always both."""

    def live(self, now_s: float) -> tuple[bool, str]:  # noqa: ARG002
        return True, "alive"

    ready = live


@contextmanager
def http_requests() -> Iterator[Target]:
    """The server as the worker runs it, and its clients, each way of behaving chosen by the bytes sent."""
    registry = CollectorRegistry()
    Counter("fuzz", "A metric.", registry=registry).inc()
    pages = {"/": lambda: ("text/plain", b"a page\n")}
    with http.serve("127.0.0.1", 0, registry=registry, health=Healthy(), pages=pages) as address:
        open_files = _open_files()

        def check(data: bytes) -> None:
            ways: tuple[Callable[[Address, bytes], None], ...] = (_whole, _in_parts, _reset, _twice, _crowd)
            ways[zlib.crc32(data) % len(ways)](address, data)
            assert _answer(address, [b"GET /livez HTTP/1.1\r\n\r\n"]).endswith(b"\r\n\r\nalive\n")
            until(lambda: not _clients() and _open_files() == open_files, LIMIT_S, "what was open is closed")

        yield Target(lambda rng: mutated(rng, VALID, ODD), check)


def _whole(address: Address, data: bytes) -> None:
    _check_answer(_answer(address, [data]))


def _in_parts(address: Address, data: bytes) -> None:
    rng = random.Random(zlib.crc32(data))
    cuts = sorted(rng.randint(0, len(data)) for _ in range(3))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    _check_answer(_answer(address, parts))


def _reset(address: Address, data: bytes) -> None:
    """Gone without a word, and without reading."""
    with socket.create_connection(address, LIMIT_S) as client:
        client.sendall(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _twice(address: Address, data: bytes) -> None:
    """A second request behind the first: one is answered at most."""
    answer = _answer(address, [data + VALID[1]])
    _check_answer(answer)
    assert len(STATUS.findall(answer)) <= 1


def _crowd(address: Address, data: bytes) -> None:
    """More than may be open, all of them silent in the end."""
    with ExitStack() as crowd:
        for number in range(http.MAX_CONNECTIONS + 8):
            client = crowd.enter_context(socket.create_connection(address, LIMIT_S))
            with suppress(OSError):  # it had to give way already
                client.sendall(data[: number * len(data) // http.MAX_CONNECTIONS])
            assert _clients() <= 2 * http.MAX_CONNECTIONS  # some may be at their end


def _answer(address: Address, parts: list[bytes]) -> bytes:
    answer = b""
    with socket.create_connection(address, LIMIT_S) as client, suppress(OSError):  # it hung up on us
        for part in parts:
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        while chunk := client.recv(65536):
            answer += chunk
    return answer


def _check_answer(answer: bytes) -> None:
    """Nothing at all, or one status that there is."""
    if not answer:
        return
    status = STATUS.match(answer)
    assert status, f"no status: {answer[:60]!r}"
    assert int(status[1]) in {known.value for known in HTTPStatus}
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer


def _clients() -> int:
    return sum(thread.name == "http-client" for thread in threading.enumerate())


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
