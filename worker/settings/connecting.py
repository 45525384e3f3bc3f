"""The connection that the settings describe."""

from pathlib import Path

from pydantic import SecretStr

from worker.broker.connection import Connection
from worker.settings.schema import Settings


def connect_with(settings: Settings) -> Connection:
    """Return the settings of the connection to the cluster. Raises SettingsRejected."""

    def path(file: Path | None) -> str | None:
        return None if file is None else str(file)

    def plain(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    return Connection(
        bootstrap_servers=settings.bootstrap_servers,
        security_protocol=settings.security_protocol,
        sasl_mechanism=settings.sasl_mechanism,
        sasl_username=settings.sasl_username,
        sasl_password=plain(settings.sasl_password),
        sasl_oauth_token_file=path(settings.sasl_oauth_token_file),
        ssl_cafile=path(settings.ssl_cafile),
        ssl_certfile=path(settings.ssl_certfile),
        ssl_keyfile=path(settings.ssl_keyfile),
        ssl_keypassword=plain(settings.ssl_keypassword),
    )
