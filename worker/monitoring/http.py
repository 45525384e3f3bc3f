"""The HTTP server: `/metrics` for Prometheus, `/livez` and `/readyz` for the orchestrator, and the status pages.

Each connection has one request and its own daemon thread. The size and time of a request and the number of connections
are limited, so no client can block the others.
"""

import io
import logging
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any, ClassVar, Final, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.errors import PortInUse

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 16
MAX_REQUEST_BYTES: Final = 8192
CLIENT_TIMEOUT_S: Final = 5.0

PLAIN_TEXT: Final = "text/plain; charset=utf-8"
HEADERS: Final = {
    # A browser must not store a page, guess its type, or run or load anything from elsewhere.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

Page = tuple[str, bytes]  # content type and body
Pages = Mapping[str, Callable[[], Page]]  # by path; the functions are called from any thread and must not block


class HealthView(Protocol):
    """What the HTTP threads ask. The methods are called from any thread and must not block."""

    def live(self, now_s: float) -> tuple[bool, str]:
        """Return whether the worker is live, and the reason. `now_s` is `time.monotonic()`."""

    def ready(self, now_s: float) -> tuple[bool, str]:
        """Return whether the worker scores reviews, and the reason."""


@contextmanager
def serve(
    host: str, port: int, *, registry: CollectorRegistry, health: HealthView, pages: Pages
) -> Iterator[tuple[str, int]]:
    """Serve inside the `with` block. Yield host and port, a free port if `port` is 0. Raises PortInUse.

    On loopback, `pages` are served only if the Host header is `localhost` or an IP address; metrics and probes always
    are. See docs/security.md.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]

        class Handler(_RequestHandler):
            answers = _Answers(registry, health, pages, any_name=not ip_address(address[0]).is_loopback)

        server = _Server(family, address, Handler)
    except (OSError, UnicodeError) as exc:  # UnicodeError: not a host name
        raise PortInUse(
            f"cannot listen on {host}:{port}: {exc}; set SENTIMENT_HTTP_PORT to a free port (0 takes any), "
            "or SENTIMENT_HTTP_HOST to an address of this machine"
        ) from exc
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True, args=(0.05,))
    thread.start()
    try:
        yield str(server.server_address[0]), server.server_address[1]
    finally:
        give_up_s = time.monotonic() + CLIENT_TIMEOUT_S
        server.shutdown()
        thread.join()
        server.hang_up(give_up_s)
        server.server_close()


class _Answers:
    """Answers a path with status, content type and body."""

    def __init__(self, registry: CollectorRegistry, health: HealthView, pages: Pages, *, any_name: bool) -> None:
        self._registry = registry
        self._health = health
        self._pages = pages
        self._any_name = any_name

    def to(self, path: str, accept: str, host: str | None) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            return self._metrics(accept)
        if path == "/livez":
            return _probe_answer(*self._health.live(time.monotonic()))
        if path == "/readyz":
            return _probe_answer(*self._health.ready(time.monotonic()))
        if make := self._pages.get(path):
            if self._any_name or host is None or _is_local(host):  # a browser always sends a host
                return HTTPStatus.OK, *make()
            return HTTPStatus.FORBIDDEN, PLAIN_TEXT, b"open this page as localhost or by IP address\n"
        return HTTPStatus.NOT_FOUND, PLAIN_TEXT, b"no such page; see /\n"

    def _metrics(self, accept: str) -> tuple[HTTPStatus, str, bytes]:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # its parser fails on a version that is not a number
            encode, content_type = choose_encoder("")
        return HTTPStatus.OK, content_type, encode(self._registry)


def _is_local(host: str) -> bool:
    """Return whether a Host header is `localhost` or an IP address. Any other name may be that of another site."""
    match = re.fullmatch(r"(?:\[(.+)\]|([^:]+))(?::\d+)?", host)
    name = (match[1] or match[2]).lower() if match else ""
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def _probe_answer(good: bool, reason: str) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, PLAIN_TEXT, f"{reason}\n".encode()


class _RequestHandler(BaseHTTPRequestHandler):
    """Answers one GET or HEAD request."""

    answers: ClassVar[_Answers]
    default_request_version = "HTTP/1.0"  # of a request without a version: an answer of HTTP/0.9 has no status
    error_content_type = PLAIN_TEXT
    error_message_format = "%(code)d %(message)s\n"

    def handle_one_request(self) -> None:
        """Read the whole head first, to limit its size and time as a whole."""
        head = self._read_head()
        if len(head) > MAX_REQUEST_BYTES:
            self.requestline = self.request_version = self.command = ""
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self.rfile = io.BufferedReader(io.BytesIO(head))
        super().handle_one_request()

    def _read_head(self) -> bytes:
        """Return the request up to its empty line; less if the client hangs up, above the limit if it is too long."""
        give_up_s = time.monotonic() + CLIENT_TIMEOUT_S
        head = b""
        while b"\n\r\n" not in head and b"\n\n" not in head and len(head) <= MAX_REQUEST_BYTES:
            self.connection.settimeout(max(give_up_s - time.monotonic(), 0.001))
            chunk = self.connection.recv(MAX_REQUEST_BYTES)
            if not chunk:
                break
            head += chunk
        self.connection.settimeout(CLIENT_TIMEOUT_S)
        return head

    def do_GET(self) -> None:
        """Send a page."""
        path = self.path.partition("?")[0]
        status, content_type, body = self.answers.to(path, self.headers.get("Accept", ""), self.headers.get("Host"))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def end_headers(self) -> None:
        """Add the headers of every answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_error(self, code: int, _message: str | None = None, _explain: str | None = None) -> None:
        """Answer an invalid request, without repeating what the client sent."""
        super().send_error(code)

    def version_string(self) -> str:
        """Return no version, because it would only help attackers."""
        return "sentiment-worker"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's names
        """Log nothing, because probes come every few seconds."""


class _Server(ThreadingHTTPServer):
    """A threading server with a limit. At the limit, a new connection replaces the oldest one."""

    request_queue_size = 128  # connections of a burst wait here; a full queue would make clients retry after a second

    def __init__(self, family: socket.AddressFamily, address: Any, handler: type[_RequestHandler]) -> None:
        self.address_family = family
        self._open: dict[socket.socket, threading.Thread] = {}  # oldest first
        self._changed = threading.Condition()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without the reverse DNS lookup of the base class, which can hang."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a new thread."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="http-client",
            daemon=True,
        )
        with self._changed:
            if self._full():
                _hang_up(next(iter(self._open)))
                # Its thread may still make a page, so wait for its end before starting another thread.
                self._changed.wait_for(lambda: not self._full(), CLIENT_TIMEOUT_S)
            if self._full():
                self.shutdown_request(request)
                return
            self._open[request] = thread
        thread.start()

    def _full(self) -> bool:
        return len(self._open) >= MAX_CONNECTIONS

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and forget it."""
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify()
        super().shutdown_request(request)

    def hang_up(self, give_up_s: float) -> None:
        """End every connection, and wait for the threads until `give_up_s` on the monotonic clock."""
        with self._changed:
            connections = dict(self._open)
        for request in connections:
            _hang_up(request)
        for thread in connections.values():
            thread.join(max(0.0, give_up_s - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's names
        """Log bugs only. An OSError is the client's fault: it went away or was too slow."""
        if not isinstance(sys.exception(), OSError):
            log.exception("an HTTP request failed")


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):  # the client has hung up already
        request.shutdown(socket.SHUT_RDWR)
