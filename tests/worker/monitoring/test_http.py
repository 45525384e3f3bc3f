"""The HTTP server answers probes, whatever its other clients do."""

import gc
import socket
import threading
import time
import urllib.error
import urllib.request
from ipaddress import ip_address

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.worker.monitoring.http_rig import (
    LIMIT_S,
    PAGES,
    Address,
    Serve,
    SwitchedHealth,
    answer_to,
    read_all,
    request,
    status,
)
from worker.errors import PortInUse
from worker.monitoring import http
from worker.settings.schema import Settings


def test_metrics_are_served_in_prometheus_text_format(address: Address) -> None:
    with request(address, "/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
    assert response.status == 200
    assert families["reviews"].samples[0].value == 7


def test_metrics_are_served_as_openmetrics_if_the_client_accepts_it(address: Address) -> None:
    with request(address, "/metrics", Accept="application/openmetrics-text; version=1.0.0") as response:
        assert (response.getheader("Content-Type") or "").startswith("application/openmetrics-text")
        assert response.read().endswith(b"# EOF\n")


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=abc", "text/plain; version=x", "é;;=,"])
def test_an_invalid_accept_header_gets_the_text_format(address: Address, accept: str) -> None:
    with request(address, "/metrics", Accept=accept) as response:
        assert response.status == 200
        assert b"reviews_total 7.0" in response.read()


@pytest.mark.parametrize(("path", "which"), [("/livez", "is_live"), ("/readyz", "is_ready")])
def test_a_probe_returns_the_status_and_the_reason(
    address: Address, health: SwitchedHealth, path: str, which: str
) -> None:
    with request(address, path) as response:
        assert (response.status, response.read()) == (200, b"progressing\n")
    setattr(health, which, (False, "no partition is assigned"))
    with request(address, path) as response:
        assert (response.status, response.read()) == (503, b"no partition is assigned\n")


def test_health_is_asked_with_the_monotonic_clock(address: Address, health: SwitchedHealth) -> None:
    before_s = time.monotonic()
    with request(address, "/livez"):
        pass
    assert before_s <= health.asked_s[0] <= time.monotonic()


def test_a_page_is_served_with_its_content_type(address: Address) -> None:
    with request(address, "/") as response:
        assert (response.status, response.read()) == (200, b"<p>a page</p>")
        assert response.getheader("Content-Type") == "text/html; charset=utf-8"


def test_every_answer_has_the_security_headers(address: Address) -> None:
    for path in ("/", "/metrics", "/readyz", "/no-such-page"):
        with request(address, path) as response:
            assert response.getheader("Cache-Control") == "no-store"
            assert response.getheader("X-Content-Type-Options") == "nosniff"
            policy = (response.getheader("Content-Security-Policy") or "").split("; ")
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
            assert "unsafe" not in "".join(policy)


def test_an_unknown_page_is_404_and_a_query_does_not_change_a_page(address: Address) -> None:
    assert (status(address, "/admin"), status(address, "/livez?verbose=1")) == (404, 200)


def test_head_sends_the_headers_of_get_without_the_body(address: Address) -> None:
    with request(address, "/livez", method="HEAD") as response:
        assert (response.status, response.getheader("Content-Length"), response.read()) == (200, "12", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"])
def test_other_methods_are_refused(address: Address, method: str) -> None:
    with request(address, "/livez", method=method) as response:
        assert response.status == 501


def test_no_answer_has_a_version_or_text_of_the_request(address: Address) -> None:
    answers = answer_to(address, b"GET / HTTP/1.0\r\n\r\n") + answer_to(address, b"CANARY /livez HTTP/1.0\r\n\r\n")
    assert b"Python" not in answers
    assert b"CANARY" not in answers


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
        b"\x00" * 100 + b"\n\n",
        b"GET /livez HTTP/99999999999.x\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n",
        b"",
    ],
    ids=["tls", "nul", "version", "no-path", "many-headers", "nothing"],
)
def test_garbage_is_answered_with_an_error_or_closed(address: Address, garbage: bytes) -> None:
    assert b" 200 " not in answer_to(address, garbage)
    assert status(address, "/livez") == 200


@pytest.mark.parametrize("line", [b"GET /livez", b"POST /livez", b"GET", b"GET / HTTP/9.9", b"GET / HTTP/a"])
def test_every_answer_has_a_status_line_for_any_http_version(address: Address, line: bytes) -> None:
    assert answer_to(address, line + b"\r\n\r\n").startswith(b"HTTP/1.0 ")


def test_only_the_first_request_of_a_connection_is_answered(address: Address) -> None:
    answer = answer_to(address, b"GET /livez HTTP/1.1\r\n\r\n" * 3)
    assert (answer.count(b"HTTP/1.0 "), answer.count(b"progressing")) == (1, 1)


@pytest.mark.parametrize("head", [b"GET /", b"GET / HTTP/1.1\r\nX: "], ids=["request-line", "header"])
def test_a_request_head_above_the_limit_is_refused(address: Address, head: bytes) -> None:
    assert answer_to(address, head + b"a" * http.MAX_REQUEST_BYTES + b"\r\n\r\n").startswith(b"HTTP/1.0 431 ")


FOREIGN = (
    "example.com",
    "example.com:8080",
    "localhost.example.com",
    "127.0.0.1.example.com",
    "127.0.0.1:x",
    "[::1",
    "",
)
OURS = ("localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:9", "[::1]:8080", "192.0.2.7:8080")


@pytest.mark.parametrize("host", FOREIGN)
def test_on_loopback_a_page_is_refused_for_a_foreign_host_name(address: Address, host: str) -> None:
    """Protects from DNS rebinding, where another site's name points to this address."""
    with request(address, "/", Host=host) as response:
        assert response.status == 403
        assert b"a page" not in response.read()


@pytest.mark.parametrize("host", OURS)
def test_on_loopback_a_page_is_served_for_localhost_and_any_ip_address(address: Address, host: str) -> None:
    assert status(address, "/", Host=host) == 200


def test_a_request_without_a_host_gets_the_page(address: Address) -> None:
    assert answer_to(address, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_metrics_and_probes_are_served_for_any_host_name(address: Address, path: str) -> None:
    assert status(address, path, Host="worker-0.sentiment.svc:8080") == 200


def test_bound_to_all_addresses_a_page_is_served_for_any_host_name(serve: Serve) -> None:
    with serve("0.0.0.0", 0) as (_, port):  # noqa: S104 - meant
        assert status(("127.0.0.1", port), "/", Host="worker-0.sentiment.svc") == 200


def test_the_error_of_a_port_in_use_names_the_setting_to_change(address: Address, serve: Serve) -> None:
    host, port = address
    with pytest.raises(PortInUse, match=rf"{host}:{port}: .*in use.*SENTIMENT_HTTP_PORT") as refused, serve(host, port):
        pass
    assert refused.value.exit_code == 7


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid", "a" * 70])
def test_an_address_of_another_machine_is_refused(serve: Serve, host: str) -> None:
    with pytest.raises(PortInUse, match=f"{host}:8080.*SENTIMENT_HTTP_HOST"), serve(host, 8080):
        pass


def test_the_default_address_is_loopback(serve: Serve) -> None:
    with serve(Settings().http_host, 0) as (host, _):
        assert ip_address(host).is_loopback


def test_after_the_end_the_port_is_free_and_no_connection_or_thread_is_left(serve: Serve) -> None:
    """With a client still connected. A socket left to the garbage collector would warn, which fails the test."""
    before = set(threading.enumerate())
    with serve("127.0.0.1", 0) as address:
        hanging = socket.create_connection(address, timeout=LIMIT_S)
        with request(address, "/livez") as response:
            assert response.status == 200
    assert read_all(hanging) == b""
    hanging.close()
    assert set(threading.enumerate()) <= before
    gc.collect()
    with (
        pytest.raises(urllib.error.URLError),
        urllib.request.urlopen(f"http://{address[0]}:{address[1]}/livez", timeout=LIMIT_S),
    ):
        pass
    with serve(*address):
        pass


def test_a_failing_collector_is_logged_and_fails_only_its_own_request(
    health: SwitchedHealth, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def collect(self) -> None:
            raise RuntimeError("this collector is broken")

        def describe(self) -> list[object]:
            return []

    registry = CollectorRegistry()
    registry.register(Broken())  # type: ignore[arg-type]  # broken on purpose
    with http.serve("127.0.0.1", 0, registry=registry, health=health, pages=PAGES) as address:
        assert answer_to(address, b"GET /metrics HTTP/1.0\r\n\r\n") == b""
        with request(address, "/livez") as response:
            assert response.status == 200
    assert "this collector is broken" in caplog.text
