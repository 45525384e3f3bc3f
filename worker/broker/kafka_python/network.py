"""The network half of a client of kafka-python, which tells why nobody can be reached.

What the library (3.0.12) does not do by itself and this file does, each seen on a real broker:

- It takes wrong credentials and certificates for a broker that is away, and tries again without a pause, for ever:
  a refused login is only logged. Here the first refusal stands, and every later attempt raises it.
- What it says at last, "unable to bootstrap", hides why. Here the last failure is kept.
- What arrives together with the end of a connection is thrown away, and a broker tells that it refuses a login with
  its very last bytes. See `data_before_end`.
"""

import re
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from kafka import errors as kafka
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

_LOGIN_REFUSED: Final = (
    kafka.SaslAuthenticationFailedError,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
)

# What the other side says of who we are; that it is in trouble, or got garbage, may pass.
_REFUSING_ALERT: Final = re.compile(
    "_ALERT_.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED|PROTOCOL_VERSION|INSUFFICIENT_SECURITY)"
)


class BrokerNotTrusted(kafka.SaslAuthenticationFailedError):  # type: ignore[misc]  # kafka-python has no types
    """Its certificate is not one that we accept. Derived so that the library ends a transaction over it."""


class CertificateRefused(kafka.SaslAuthenticationFailedError):  # type: ignore[misc]
    """The broker does not accept our certificate, or that we have none; derived for the same reason."""


class Network(KafkaNetClient):  # type: ignore[misc]
    """Give it to a client as `kafka_client`."""

    def __init__(self, **config: Any) -> None:
        net = NetworkSelector(**config)
        super().__init__(net, _Manager(net, **config), **config)

    @property
    def refusal(self) -> Exception | None:
        """Why the cluster does not let us in; None while it does, or while it is only away."""
        refusal: Exception | None = self._manager.refusal
        return refusal

    @property
    def last_failure(self) -> Exception | None:
        """How the last connection that was lost, or never made, came to its end."""
        failure: Exception | None = self._manager.last_failure
        return failure

    @property
    def heard_s(self) -> float:
        """When anything came from a broker for the last time, monotonic; of this client's birth if nothing did."""
        heard_s: float = self._manager.heard_s
        return heard_s

    def on_refusal(self, tell: Callable[[Exception], None]) -> None:
        """Call `tell` on the library's thread, once, when a refusal comes."""
        self._manager.tell = tell


def data_before_end(transport: KafkaTCPTransport, on_data: Callable[[], None]) -> None:
    """Let data and the end of the connection be two reads, though one brought both. Calls `on_data` for each data."""
    receive = transport._sock_recv

    def data_or_end() -> tuple[bytes, Exception | None]:
        data, end = receive()
        if data:
            on_data()
        return data, None if data else end  # the next read will meet it again

    transport._sock_recv = data_or_end


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    def __init__(self, net: NetworkSelector, **config: Any) -> None:
        self.refusal: Exception | None = None
        self.last_failure: Exception | None = None
        self.tell: Callable[[Exception], None] = lambda _: None
        self.heard_s = time.monotonic()
        super().__init__(net, **config)

    def get_connection(self, node_id: Any, **options: Any) -> KafkaConnection:
        """Raise the refusal instead of trying again: neither the account nor the broker's log is worn out."""
        if self.refusal is not None:
            raise self.refusal
        known = node_id in self._conns
        connection = super().get_connection(node_id, **options)
        if not known:
            connection.close_future.add_errback(self._ended)
        return connection

    async def _build_transport(self, node: Any, **options: Any) -> KafkaTCPTransport:
        transport = await super()._build_transport(node, **options)
        data_before_end(transport, self._heard)
        return transport

    def _heard(self) -> None:
        self.heard_s = time.monotonic()

    def _ended(self, failure: Exception) -> None:
        self.last_failure = failure
        if self.refusal is None:
            self.refusal = refusal_in(failure, scram=str(self.config["sasl_mechanism"]).startswith("SCRAM"))
            if self.refusal is not None:
                self.tell(self.refusal)


def refusal_in(failure: Exception, *, scram: bool) -> Exception | None:
    """What in the failure of a connection no retry can change; None where one may help."""
    refusal: Exception | None = failure if isinstance(failure, _LOGIN_REFUSED) else None
    # In SCRAM the broker has to prove, too, that it knows the password. A UnicodeError is a host that cannot be one.
    if scram and isinstance(failure, ValueError) and not isinstance(failure, UnicodeError):
        refusal = kafka.SaslAuthenticationFailedError(f"the broker's half of the login is wrong: {failure}")
    # The library wraps what TLS said, and keeps it as an argument or as the context.
    for inner in (*failure.args, failure.__context__):
        if isinstance(inner, ssl.SSLCertVerificationError):
            why = inner.verify_message.rstrip(".")
            refusal = BrokerNotTrusted(f"the broker's certificate is not accepted: {why}")
        elif isinstance(inner, ssl.SSLError) and _REFUSING_ALERT.search(inner.reason or ""):
            refusal = CertificateRefused(f"the broker ended the TLS handshake: {inner.reason}")
    return refusal
