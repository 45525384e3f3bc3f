"""Opening a client of kafka-python, and how many partitions topics have."""

import ssl
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError, for_code
from kafka.net.sasl.oauth import AbstractTokenProvider

from worker.broker.connection import BOOTSTRAP_TIMEOUT_S, Connection
from worker.broker.errors import Code, to_describe
from worker.broker.kafka_python.errors import translate, translated
from worker.broker.kafka_python.repairs import Network, check_version
from worker.broker.tokens import read_token
from worker.errors import BrokerUnreachable, SettingsRejected, TopicMissing


def open_client(
    build: Callable[..., Any], connection: Connection, *, timeout_s: float = BOOTSTRAP_TIMEOUT_S, **settings: Any
) -> tuple[Any, Network]:
    """Build a client of kafka-python and return it with its network half (`.cluster` is the metadata it knows).

    Raises BrokerUnreachable when no server answers within `timeout_s`, AccessDenied, SettingsRejected.
    """
    check_version()
    networks: list[Network] = []

    def network(**config: Any) -> Network:
        networks.append(Network(**config))
        return networks[-1]

    what = f"connecting to {connection.bootstrap_servers}"
    try:
        client = build(
            kafka_client=network,
            bootstrap_timeout_ms=round(timeout_s * 1000),
            **_settings(connection) | settings,
        )
    except BaseException as exc:
        # A constructor that raises leaves its sockets, and a consumer's thread, behind.
        for abandoned in networks:
            abandoned.close()
        if isinstance(exc, ValueError):
            raise SettingsRejected(f"{what} failed: {exc}. Write host:port[,host:port...]") from exc
        if isinstance(exc, KafkaTimeoutError):
            failures = [str(one.contact.last_failure) for one in networks if one.contact.last_failure is not None]
            text = "; ".join([f"no broker accepted us within {timeout_s:.0f} s", *failures])
            raise translate(exc, what, text=text, unavailable=BrokerUnreachable) from exc
        if isinstance(exc, KafkaError):
            raise translate(exc, what, unavailable=BrokerUnreachable) from exc
        raise
    return client, networks[0]


def raise_refusal(network: Network, what: str) -> None:
    """Raise AccessDenied when the cluster has refused this client's login or certificate since it was opened."""
    if (refusal := network.contact.refusal) is not None:
        raise translate(refusal, what) from refusal


@contextmanager
def open_admin(connection: Connection, timeout_s: float) -> Iterator[Any]:
    """Open an admin client whose every step is limited to `timeout_s`. Raises as `open_client`."""
    limited = replace(connection, request_timeout_ms=max(1, round(timeout_s * 1000)))
    admin, _ = open_client(KafkaAdminClient, limited, timeout_s=timeout_s)
    try:
        yield admin
    finally:
        admin.close()


def partition_counts(admin: Any, topics: Collection[str]) -> dict[str, int]:
    """Ask once how many partitions each topic has.

    Raises TopicMissing, AccessDenied, or BrokerUnavailable where asking again may help.
    """
    names = ", ".join(sorted(topics))
    with translated(f"asking for topics {names}"):
        described = admin.describe_topics(list(topics))
    codes = {topic["name"]: topic["error_code"] for topic in described}
    missing = sorted(name for name, code in codes.items() if code == Code.UNKNOWN_TOPIC_OR_PARTITION)
    if missing:
        raise TopicMissing(
            f"{', '.join(missing)}: no such topic. Create it (`sentiment-worker topics` does); `run` never does"
        )
    for name, code in codes.items():
        if code:
            raise translate(for_code(code)(), f"asking for topic {name}", needs=to_describe(name))
    return {topic["name"]: len(topic["partitions"]) for topic in described}


def _settings(connection: Connection) -> dict[str, Any]:
    """The keyword arguments that every client of the library takes."""
    return {
        "bootstrap_servers": [server.strip() for server in connection.bootstrap_servers.split(",")],
        "client_id": connection.client_id,
        "security_protocol": connection.security_protocol,
        "sasl_mechanism": connection.sasl_mechanism,
        "sasl_plain_username": connection.sasl_username,
        "sasl_plain_password": connection.sasl_password,
        "sasl_oauth_token_provider": connection.sasl_oauth_token_file and TokenFile(connection.sasl_oauth_token_file),
        "ssl_context": _ssl_context(connection),
        "request_timeout_ms": connection.request_timeout_ms,
        "reconnect_backoff_max_ms": 1_000,  # by default a broker could be back for 30 s unnoticed
    }


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """Reads the token at each login."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def token(self) -> str:
        """Return what the file holds. Raises SaslAuthenticationFailedError, for the library to report."""
        try:
            return read_token(self._path)
        except ValueError as exc:
            raise SaslAuthenticationFailedError(str(exc)) from exc


def _ssl_context(connection: Connection) -> ssl.SSLContext | None:
    """Built here because the library takes an unreadable certificate for a broker that does not answer."""
    if not connection.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=connection.ssl_cafile)
    except OSError as exc:  # ssl.SSLError is one too
        raise SettingsRejected(f"ssl_cafile {connection.ssl_cafile} cannot be used: {exc}. Check its content") from exc
    if connection.ssl_certfile:
        own = f"ssl_certfile {connection.ssl_certfile} with ssl_keyfile {connection.ssl_keyfile}"
        try:
            context.load_cert_chain(connection.ssl_certfile, connection.ssl_keyfile, lambda: _key_password(connection))
        except (OSError, ValueError) as exc:
            raise SettingsRejected(
                f"{own} cannot be used: {exc}. Check that both are PEM and belong together"
                + (", and ssl_keypassword" if connection.ssl_keypassword else "")
            ) from exc
    return context


def _key_password(connection: Connection) -> str:
    """Called for an encrypted key only. Without an answer OpenSSL would ask on the terminal, and wait."""
    if not connection.ssl_keypassword:
        raise SettingsRejected(f"the key in ssl_keyfile {connection.ssl_keyfile} is encrypted: set ssl_keypassword")
    return connection.ssl_keypassword
