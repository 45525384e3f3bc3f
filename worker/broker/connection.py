"""How to reach the cluster, and opening a client of kafka-python without leaving half of one behind."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from kafka.errors import KafkaError, KafkaTimeoutError

from worker.broker.kafka_python.errors import translate
from worker.broker.kafka_python.network import Network
from worker.broker.tokens import TokenFile
from worker.errors import BrokerUnreachable, SettingsRejected

BOOTSTRAP_TIMEOUT_S: Final = 10.0
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_NEEDS: Final = {  # mechanism to the fields without which it cannot log in
    "PLAIN": ("sasl_username", "sasl_password"),
    "SCRAM-SHA-256": ("sasl_username", "sasl_password"),
    "SCRAM-SHA-512": ("sasl_username", "sasl_password"),
    "OAUTHBEARER": ("sasl_oauth_token_file",),
}


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
    sasl_oauth_token_file: str | None = None  # read at each login
    ssl_cafile: str | None = None  # None: the authorities that the system trusts
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_keypassword: str | None = field(default=None, repr=False)
    request_timeout_ms: int = 30_000

    def __post_init__(self) -> None:
        if self.security_protocol not in _PROTOCOLS:
            raise SettingsRejected(
                f"security_protocol is {self.security_protocol!r}: use one of {', '.join(_PROTOCOLS)}"
            )
        for name in ("sasl_username", "sasl_password", "ssl_keypassword"):
            try:
                (getattr(self, name) or "").encode()
            except UnicodeEncodeError:  # it would quote the secret
                raise SettingsRejected(f"{name} is not UTF-8: write it so") from None
        if not self.security_protocol.startswith("SASL"):
            return
        if self.sasl_mechanism not in _NEEDS:
            raise SettingsRejected(
                f"sasl_mechanism is {self.sasl_mechanism!r}: {self.security_protocol} needs one of {', '.join(_NEEDS)}"
            )
        needs = _NEEDS[self.sasl_mechanism]
        if not all(getattr(self, name) for name in needs):
            raise SettingsRejected(f"{self.sasl_mechanism} needs {' and '.join(needs)}: set what is missing")

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that every client of kafka-python takes."""
        return {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
            "sasl_oauth_token_provider": self.sasl_oauth_token_file and TokenFile(self.sasl_oauth_token_file),
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
        except OSError as exc:  # ssl.SSLError is one too
            raise SettingsRejected(f"ssl_cafile {self.ssl_cafile} cannot be used: {exc}. Check its content") from exc
        if self.ssl_certfile:
            own = f"ssl_certfile {self.ssl_certfile} with ssl_keyfile {self.ssl_keyfile}"
            try:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, self._key_password)
            except (OSError, ValueError) as exc:
                raise SettingsRejected(
                    f"{own} cannot be used: {exc}. Check that both are PEM and belong together"
                    + (", and ssl_keypassword" if self.ssl_keypassword else "")
                ) from exc
        return context

    def _key_password(self) -> str:
        """Asked for an encrypted key only; without an answer OpenSSL would ask on the terminal, and wait."""
        if not self.ssl_keypassword:
            raise SettingsRejected(f"the key in ssl_keyfile {self.ssl_keyfile} is encrypted: set ssl_keypassword")
        return self.ssl_keypassword


def open_client(
    build: Callable[..., Any], connection: Connection, *, timeout_s: float = BOOTSTRAP_TIMEOUT_S, **settings: Any
) -> tuple[Any, Network]:
    """Build a client of kafka-python and return it with its network half (`.cluster` is the metadata it knows).

    Raises BrokerUnreachable when no server answers within `timeout_s`, AccessDenied, SettingsRejected.
    """
    networks: list[Network] = []

    def network(**config: Any) -> Network:
        networks.append(Network(**config))
        return networks[-1]

    what = f"connecting to {connection.bootstrap_servers}"
    try:
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
        if isinstance(exc, KafkaTimeoutError):
            ends = [str(network.last_failure) for network in networks if network.last_failure is not None]
            detail = "; ".join([f"no broker let us in within {timeout_s:.0f} s", *ends])
            raise translate(exc, what, detail=detail, unavailable=BrokerUnreachable) from exc
        if isinstance(exc, KafkaError):
            raise translate(exc, what, unavailable=BrokerUnreachable) from exc
        raise
    return client, networks[0]


def raise_refusal(network: Network, what: str) -> None:
    """Raise AccessDenied when the cluster has refused this client's login or certificate since it was opened."""
    if network.refusal is not None:
        raise translate(network.refusal, what) from network.refusal
