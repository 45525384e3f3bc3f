"""How to reach the cluster: its address, our identity, and what secures the connection."""

from dataclasses import dataclass, field
from typing import Final

from worker.errors import SettingsRejected

BOOTSTRAP_TIMEOUT_S: Final = 10.0
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_NEEDS: Final = {  # SASL mechanism: the fields that it cannot log in without
    "PLAIN": ("sasl_username", "sasl_password"),
    "SCRAM-SHA-256": ("sasl_username", "sasl_password"),
    "SCRAM-SHA-512": ("sasl_username", "sasl_password"),
    "OAUTHBEARER": ("sasl_oauth_token_file",),
}


@dataclass(frozen=True, slots=True)
class Connection:
    """Address, identity and security. Raises SettingsRejected where they contradict each other.

    Checked here because kafka-python treats an unknown protocol as PLAINTEXT.
    """

    bootstrap_servers: str  # "host:port[,host:port...]"
    client_id: str = "sentiment-worker"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    sasl_oauth_token_file: str | None = None  # read at each login
    ssl_cafile: str | None = None  # None: the authorities the system trusts
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
            except UnicodeEncodeError:  # its text would quote the secret
                raise SettingsRejected(f"{name} is not UTF-8: encode it as UTF-8") from None
        if not self.security_protocol.startswith("SASL"):
            return
        if self.sasl_mechanism not in _NEEDS:
            raise SettingsRejected(
                f"sasl_mechanism is {self.sasl_mechanism!r}: {self.security_protocol} needs one of {', '.join(_NEEDS)}"
            )
        needs = _NEEDS[self.sasl_mechanism]
        if not all(getattr(self, name) for name in needs):
            raise SettingsRejected(f"{self.sasl_mechanism} needs {' and '.join(needs)}: set what is missing")
