"""What can be reached at an address, layer by layer: its name, its port, and the protocol spoken there.

The client library knows only that it could not connect. Here plain sockets send the smallest request of Kafka's
protocol, and a TLS handshake that trusts any certificate: the question is what is spoken, not by which broker.
"""

import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Final, Literal

Spoken = Literal["plaintext", "tls", "silence", "something else"]

_API_VERSIONS: Final = struct.pack(">hhih", 18, 0, 1, -1)  # request and version, number, no client id
_REQUEST: Final = struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS
_ANSWER: Final = struct.Struct(">ii")  # size, number of the request
_LARGEST_ANSWER: Final = 100_000


@dataclass(frozen=True, slots=True)
class Reach:
    """What was found at one address; a field is set only where the ones before it are good."""

    address: str
    name_error: str | None = None
    port_error: str | None = None
    spoken: Spoken | None = None


def reach(address: str, *, timeout_s: float, tls_first: bool = False) -> Reach:
    """Find out what is at "host:port". With `tls_first`, for a broker that speaks TLS, its log stays clean."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return Reach(address, name_error=_reason(exc))
    place = (host, int(port))
    try:
        with socket.create_connection(place, timeout_s):
            pass
    except OSError as exc:
        return Reach(address, port_error=_reason(exc))
    asked = (_speaks_tls, _speaks_plaintext) if tls_first else (_speaks_plaintext, _speaks_tls)
    answers = [ask(place, timeout_s) for ask in asked]
    spoken = next((one for one in answers if one in ("plaintext", "tls")), None)
    return Reach(address, spoken=spoken or ("something else" if "something else" in answers else "silence"))


def _speaks_plaintext(place: tuple[str, int], timeout_s: float) -> Spoken:
    try:
        with socket.create_connection(place, timeout_s) as connection:
            connection.sendall(_REQUEST)
            answer = b""
            while len(answer) < _ANSWER.size and (part := connection.recv(_ANSWER.size - len(answer))):
                answer += part
    except OSError:
        return "silence"
    if len(answer) < _ANSWER.size:
        return "something else" if answer else "silence"
    size, number = _ANSWER.unpack(answer)
    return "plaintext" if number == 1 and 0 < size < _LARGEST_ANSWER else "something else"


def _speaks_tls(place: tuple[str, int], timeout_s: float) -> Spoken:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(place, timeout_s) as connection,
            trusting.wrap_socket(connection, server_hostname=place[0]),
        ):
            return "tls"
    except ssl.SSLError as exc:  # an alert is TLS too, for example of a listener that asks for a certificate
        return "tls" if "ALERT" in (exc.reason or "") else "silence"
    except OSError:
        return "silence"


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer"
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
