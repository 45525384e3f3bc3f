"""The settings that every client of librdkafka takes, and the errors it reports about its connections."""

import logging
import time
from typing import Any, Final

from confluent_kafka import KafkaError

from worker.broker.confluent.errors import is_refusal, translate
from worker.broker.connection import Connection
from worker.broker.tokens import read_token

# The library asks again after four fifths of this. A token says when it ends, but the file may change before.
TOKEN_GOOD_FOR_S: Final = 10.0

log = logging.getLogger("confluent_kafka")


class ReportedErrors:
    """Keeps what matters of the errors that a client reports; the client's `poll` calls it."""

    def __init__(self) -> None:
        self.refusal: KafkaError | None = None  # the first one is kept
        self.topic_missed = False

    def __call__(self, error: KafkaError) -> None:
        """Take note. The library also reports a broker that is away, and tries again by itself."""
        if self.refusal is None and is_refusal(error):
            self.refusal = error
        self.topic_missed |= error.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART)

    def raise_refusal(self, what: str) -> None:
        """Raise AccessDenied when the cluster has refused this client's login or certificate."""
        if self.refusal is not None:
            raise translate(self.refusal, what)


def settings_of(connection: Connection, on_error: ReportedErrors) -> dict[str, Any]:
    """Return the settings. Opening a client with them waits for no broker."""
    settings: dict[str, Any] = {
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
        "reconnect.backoff.max.ms": 1_000,  # by default a broker could be back for 10 s unnoticed
        "allow.auto.create.topics": False,
        "error_cb": on_error,
        "logger": log,
    }
    if (path := connection.sasl_oauth_token_file) is not None:
        settings["oauth_cb"] = lambda _: (read_token(path), time.time() + TOKEN_GOOD_FOR_S)
    return {name: value for name, value in settings.items() if value is not None}
