"""How to reach the cluster, and opening a client of kafka-python without leaving half of one behind."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from kafka.net.compat import KafkaNetClient

from worker.errors import BrokerUnreachable, SettingsRejected
from worker.kafka_broker.errors import translated

BOOTSTRAP_TIMEOUT_S: Final = 10.0
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class Connection:
    """Address, identity and security. Raises SettingsRejected where they contradict each other.

    Checked here since kafka-python takes an unknown protocol for PLAINTEXT, and an unreadable
    certificate for a broker that does not answer.
    """

    bootstrap_servers: str  # "host:port[,host:port...]"
    client_id: str = "sentiment-worker"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None  # None: the authorities that the system trusts
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    request_timeout_ms: int = 30_000

    def __post_init__(self) -> None:
        if self.security_protocol not in _PROTOCOLS:
            raise SettingsRejected(
                f"security_protocol is {self.security_protocol!r}: use one of {', '.join(_PROTOCOLS)}"
            )
        if not self.security_protocol.startswith("SASL"):
            return
        if self.sasl_mechanism not in _MECHANISMS:
            raise SettingsRejected(
                f"sasl_mechanism is {self.sasl_mechanism!r}: {self.security_protocol} needs one of "
                + ", ".join(_MECHANISMS)
            )
        if not self.sasl_username or not self.sasl_password:
            raise SettingsRejected(f"{self.security_protocol} needs sasl_username and sasl_password: set both")

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that every client of kafka-python takes."""
        return {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
            "ssl_context": self._ssl_context(),
            "request_timeout_ms": self.request_timeout_ms,
            # The default of 30 s is how long a broker could be back before anybody noticed.
            "reconnect_backoff_max_ms": 1_000,
        }

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.security_protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        except OSError as exc:  # ssl.SSLError is one too
            files = ", ".join(filter(None, (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)))
            raise SettingsRejected(f"the certificates {files} cannot be used: {exc}. Check path and content") from exc
        return context


def open_client(
    build: Callable[..., Any], connection: Connection, *, timeout_s: float = BOOTSTRAP_TIMEOUT_S, **settings: Any
) -> tuple[Any, KafkaNetClient]:
    """Build a client of kafka-python and return it with its network half (`.cluster` is the metadata it knows).

    Raises BrokerUnreachable when no server answers within `timeout_s`, AccessDenied, SettingsRejected.
    """
    networks: list[KafkaNetClient] = []

    def network(**config: Any) -> KafkaNetClient:
        networks.append(KafkaNetClient(**config))
        return networks[-1]

    what = f"connecting to {connection.bootstrap_servers} within {timeout_s:.0f} s"
    try:
        with translated(what, unavailable=BrokerUnreachable):
            client = build(
                kafka_client=network,
                bootstrap_timeout_ms=round(timeout_s * 1000),
                **connection.settings() | settings,
            )
    except BaseException as exc:
        # A constructor that raises leaves its sockets, and a consumer's thread, to nobody.
        for abandoned in networks:
            abandoned.close()
        if isinstance(exc, ValueError):
            raise SettingsRejected(f"{what} failed: {exc}. Write host:port[,host:port...]") from exc
        raise
    return client, networks[0]
