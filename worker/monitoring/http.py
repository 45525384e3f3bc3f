"""The worker's small HTTP face: `/metrics` for Prometheus, `/livez` and `/readyz` for whoever restarts us, and the
pages that it is given.

One request a connection, each in its own daemon thread. What a client sends is bounded in size, time and
number of connections, so none can keep the others from an answer.
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
    # No page is to be stored, taken for anything but what it says it is, or to run or load what is not ours.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

Page = tuple[str, bytes]  # content type and body
Pages = Mapping[str, Callable[[], Page]]  # by path; called from any thread, and must not block


class HealthView(Protocol):
    """What the HTTP threads may ask; both are called from any thread and must not block."""

    def live(self, now_s: float) -> tuple[bool, str]:
        """Whether restarting the process would not help, and the reason; `now_s` is `time.monotonic()`."""
        ...

    def ready(self, now_s: float) -> tuple[bool, str]:
        """Whether reviews are being scored now, and the reason."""
        ...


@contextmanager
def serve(
    host: str, port: int, *, registry: CollectorRegistry, health: HealthView, pages: Pages
) -> Iterator[tuple[str, int]]:
    """Answer while inside; yields the address, which tells the port when `port` is 0. Raises PortInUse.

    On loopback `pages` are given to whoever names us `localhost` or by an address, the rest to everybody: see
    docs/security.md.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]

        class Handler(_Handler):
            answers = _Answers(registry, health, pages, any_name=not ip_address(address[0]).is_loopback)

        server = _Server(family, address, Handler)
    except (OSError, UnicodeError) as exc:  # UnicodeError: not a host name
        raise PortInUse(
            f"cannot listen on {host}:{port}: {exc}; choose a free port with SENTIMENT_HTTP_PORT "
            "(0 takes any) or an address of this machine with SENTIMENT_HTTP_HOST"
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
    """Path to (status, content type, body)."""

    def __init__(self, registry: CollectorRegistry, health: HealthView, pages: Pages, *, any_name: bool) -> None:
        self._registry = registry
        self._health = health
        self._pages = pages
        self._any_name = any_name

    def to(self, path: str, accept: str, host: str | None) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            return self._metrics(accept)
        if path == "/livez":
            return _verdict(*self._health.live(time.monotonic()))
        if path == "/readyz":
            return _verdict(*self._health.ready(time.monotonic()))
        if make := self._pages.get(path):
            if self._any_name or host is None or _is_local(host):  # a browser always names one
                return HTTPStatus.OK, *make()
            return HTTPStatus.FORBIDDEN, PLAIN_TEXT, b"open this page as localhost, or by an address\n"
        return HTTPStatus.NOT_FOUND, PLAIN_TEXT, b"no such page; see /\n"

    def _metrics(self, accept: str) -> tuple[HTTPStatus, str, bytes]:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # its parser does not survive a version that is not a number
            encode, content_type = choose_encoder("")
        return HTTPStatus.OK, content_type, encode(self._registry)


def _is_local(host: str) -> bool:
    """Whether a Host header is `localhost` or an address: a name may be another site's, pointed at us."""
    match = re.fullmatch(r"(?:\[(.+)\]|([^:]+))(?::\d+)?", host)
    name = (match[1] or match[2]).lower() if match else ""
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def _verdict(good: bool, reason: str) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, PLAIN_TEXT, f"{reason}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    """Answers one GET or HEAD request."""

    answers: ClassVar[_Answers]
    default_request_version = "HTTP/1.0"  # of a request that names none: an answer of HTTP/0.9 has no status
    error_content_type = PLAIN_TEXT
    error_message_format = "%(code)d %(message)s\n"

    def handle_one_request(self) -> None:
        """Read the whole head first, so that its size and time are bounded as one."""
        head = self._read_head()
        if len(head) > MAX_REQUEST_BYTES:
            self.requestline = self.request_version = self.command = ""
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self.rfile = io.BufferedReader(io.BytesIO(head))
        super().handle_one_request()

    def _read_head(self) -> bytes:
        """Return the request up to its empty line; less when the client hangs up, more than allowed if long."""
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
        """Add what goes with every answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_error(self, code: int, _message: str | None = None, _explain: str | None = None) -> None:
        """Answer an unusable request, without echoing what the client sent."""
        super().send_error(code)

    def version_string(self) -> str:
        """Name no version: it helps only those who look for a hole."""
        return "sentiment-worker"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's names
        """Probes come every few seconds: no access log."""


class _Server(ThreadingHTTPServer):
    """A threading server that makes room: at the limit, the connection that is open longest gives way."""

    request_queue_size = 128  # a burst waits here, not in the clients' one-second retries

    def __init__(self, family: socket.AddressFamily, address: Any, handler: type[_Handler]) -> None:
        self.address_family = family
        self._open: dict[socket.socket, threading.Thread] = {}  # oldest first
        self._changed = threading.Condition()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind, without the base class's reverse look-up of the host's name, which can hang."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="http-client",
            daemon=True,
        )
        with self._changed:
            if self._full():
                _hang_up(next(iter(self._open)))
                # Its thread may be making a page: a flood must not begin others meanwhile.
                self._changed.wait_for(lambda: not self._full(), CLIENT_TIMEOUT_S)
            if self._full():
                self.shutdown_request(request)
                return
            self._open[request] = thread
        thread.start()

    def _full(self) -> bool:
        return len(self._open) >= MAX_CONNECTIONS

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify()
        super().shutdown_request(request)

    def hang_up(self, give_up_s: float) -> None:
        """End every connection and wait for the threads, until then on the monotonic clock."""
        with self._changed:
            connections = dict(self._open)
        for request in connections:
            _hang_up(request)
        for thread in connections.values():
            thread.join(max(0.0, give_up_s - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's names
        """A client that leaves or dawdles is its own fault; anything else is ours."""
        if not isinstance(sys.exception(), OSError):
            log.exception("an HTTP request failed")


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):  # the client was faster
        request.shutdown(socket.SHUT_RDWR)
