"""A broker that lets nobody in without a certificate, a password or a token, and allows only what was granted.

Tests prepare it and look at it through its plain listener, whose user may do everything; workers use the others.
"""

import base64
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from deploy.kafka.broker import Broker
from deploy.kafka.ports import free_ports
from deploy.kafka.properties import Extras, Listener
from tests.security.certificates import Authority, Pem, encrypted
from tests.support.until import until

Settings = dict[str, Any]

USER: Final = "worker"
PASSWORD: Final = "canary-password-51c7"  # noqa: S105  # as all here, of a broker that lives for a minute
KEY_PASSWORD: Final = "canary-key-password-8e02"  # noqa: S105
SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
LEAST_ITERATIONS: Final = 4096
LOGIN_MODULE: Final = "org.apache.kafka.common.security.{}LoginModule required{};"
JAAS: Final = {
    "plain": LOGIN_MODULE.format("plain.Plain", f' user_{USER}="{PASSWORD}"'),
    "scram-sha-256": LOGIN_MODULE.format("scram.Scram", ""),
    "scram-sha-512": LOGIN_MODULE.format("scram.Scram", ""),
    # Takes any token that is not signed and has not expired.
    "oauthbearer": LOGIN_MODULE.format("oauthbearer.OAuthBearer", ' unsecuredLoginStringClaim_sub="broker"'),
}
SESSION_S: Final = 3  # then a token has to be shown again
SASL: Final = (
    {"oauthbearer.connections.max.reauth.ms": str(SESSION_S * 1000)}
    | {"sasl.enabled.mechanisms": ",".join(JAAS).upper()}
    | {f"{mechanism}.sasl.jaas.config": module for mechanism, module in JAAS.items()}
)


class Pki:
    """Whom broker and clients trust, and whom they do not."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "trusted")
        self.stranger = Authority(directory, "stranger")
        self.broker = self.authority.sign("broker", dns_name="localhost")
        self.client = self.authority.sign(USER)
        self.impostor = self.stranger.sign("impostor")
        self.encrypted_client = Pem(self.client.certificate, encrypted(self.client.key, KEY_PASSWORD))


class SecuredListeners:
    """The ways in, and the settings with which a worker takes each."""

    def __init__(self, pki: Pki, directory: Path) -> None:
        self._pki = pki
        self._directory = directory
        tls = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": pki.broker.certificate.read_text(),
            "ssl.keystore.key": pki.broker.key.read_text(),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": pki.authority.certificate.read_text(),
        }
        ports = free_ports(3)
        self.sasl_ssl = Listener("LOGIN", "SASL_SSL", ports[0], tls | SASL)
        self.sasl_plaintext = Listener("OPEN", "SASL_PLAINTEXT", ports[1], SASL)
        self.mutual_tls = Listener("MUTUAL", "SSL", ports[2], tls | {"ssl.client.auth": "required"})

    def extras(self) -> Extras:
        """What the broker needs."""
        return Extras(
            (self.sasl_ssl, self.sasl_plaintext, self.mutual_tls),
            {"super.users": "User:ANONYMOUS", "allow.everyone.if.no.acl.found": "false"},
        )

    def login(self, mechanism: str, *, encrypted: bool = True) -> Settings:
        """Come in with a password, or with a token good for an hour."""
        listener = self.sasl_ssl if encrypted else self.sasl_plaintext
        way: Settings = {
            "bootstrap_servers": listener.address,
            "security_protocol": listener.protocol,
            "sasl_mechanism": mechanism,
        }
        if encrypted:
            way["ssl_cafile"] = self._pki.authority.certificate
        if mechanism == "OAUTHBEARER":
            return way | {"sasl_oauth_token_file": self.token_file(valid_s=3600)}
        return way | {"sasl_username": USER, "sasl_password": PASSWORD}

    def certificate(self, own: Pem | None) -> Settings:
        """Come in with a certificate, or try to come in without one."""
        way: Settings = {
            "bootstrap_servers": self.mutual_tls.address,
            "security_protocol": self.mutual_tls.protocol,
            "ssl_cafile": self._pki.authority.certificate,
        }
        return way | ({"ssl_certfile": own.certificate, "ssl_keyfile": own.key} if own else {})

    def token_file(self, *, valid_s: float, name: str = "token") -> Path:
        """A file with a new token; the one that had the name is replaced as a whole."""
        now_s = time.time()
        claims = {"sub": USER, "iat": min(now_s, now_s + valid_s) - 1, "exp": now_s + valid_s}
        parts = [_base64(json.dumps(part)) for part in ({"alg": "none"}, claims)]
        fresh = self._directory / f"{name}.new"
        fresh.write_text(".".join([*parts, ""]) + "\n")
        return fresh.replace(self._directory / name)


def set_scram_password(broker: Broker, password: str) -> None:
    """From now on the user has this password, in both kinds of SCRAM."""
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        for mechanism in SCRAM:
            change = UserScramCredentialUpsertion(USER, ScramMechanism[mechanism.replace("-", "_")], password)
            assert admin.alter_user_scram_credentials([change]) == {USER: None}
        until(lambda: set(admin.describe_user_scram_credentials([USER])) == {USER}, 10, "the broker knows the password")


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
