"""How to reach the cluster, as librdkafka wants it said, and what it says of that."""

import logging
import time
from typing import Any, Final

from confluent_kafka import KafkaError

from worker.broker.confluent.errors import is_refusal, told
from worker.broker.connection import Connection
from worker.broker.tokens import TokenFile

# The library asks again when four fifths of it are over. A token tells its end, but the file may change before.
TOKEN_GOOD_FOR_S: Final = 10.0

log = logging.getLogger("confluent_kafka")


class Told:
    """Keeps what a client of the library was told of its connections; the client's `poll` calls it."""

    def __init__(self) -> None:
        self.refusal: KafkaError | None = None  # the first stands
        self.topic_missed = False

    def __call__(self, error: KafkaError) -> None:
        """Take note. Of a broker that is away the library tells, too, and tries again by itself."""
        if self.refusal is None and is_refusal(error):
            self.refusal = error
        self.topic_missed |= error.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART)

    def raise_refusal(self, what: str) -> None:
        """Raise AccessDenied when the cluster has refused this client's login or certificate."""
        if self.refusal is not None:
            raise told(self.refusal, what)


def settings_of(connection: Connection, hear: Told) -> dict[str, Any]:
    """The settings that every client of the library takes. Opening one waits for no broker."""
    found: dict[str, Any] = {
        "bootstrap.servers": connection.bootstrap_servers,
        "client.id": connection.client_id,
        "security.protocol": connection.security_protocol,
        "sasl.mechanism": connection.sasl_mechanism,
        "sasl.username": connection.sasl_username,
        "sasl.password": connection.sasl_password,
        "ssl.ca.location": connection.ssl_cafile,
        "ssl.certificate.location": connection.ssl_certfile,
        "ssl.key.location": connection.ssl_keyfile,
        "ssl.key.password": connection.ssl_keypassword,
        "socket.timeout.ms": connection.request_timeout_ms,
        # The default of 10 s is how long a broker could be back before anybody noticed.
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        "error_cb": hear,
        "logger": log,
    }
    if connection.sasl_oauth_token_file:
        file = TokenFile(connection.sasl_oauth_token_file)
        found["oauth_cb"] = lambda _: (file.token(), time.time() + TOKEN_GOOD_FOR_S)
    return {name: value for name, value in found.items() if value is not None}
