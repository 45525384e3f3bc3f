"""Certificates of the tests' own, made by the openssl command: PEM files in one directory."""

from pathlib import Path
from typing import NamedTuple

from deploy.kafka.commands import found, run

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
CONFIG = "[req]\ndistinguished_name=name\n[name]\n"  # the machine's own would add extensions


class Pem(NamedTuple):
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._config = directory / "openssl.cnf"
        self._config.write_text(CONFIG)
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]
        self._own = self._make(name, extensions, [])
        self.certificate = self._own.certificate

    def sign(self, common_name: str, *, dns_name: str | None = None) -> Pem:
        """A certificate for `CN=common_name`, and for a server of that name."""
        extensions = ["basicConstraints=critical,CA:FALSE"]
        extensions += [f"subjectAltName=DNS:{dns_name}"] if dns_name else []
        return self._make(common_name, extensions, ["-CA", str(self._own.certificate), "-CAkey", str(self._own.key)])

    def _make(self, common_name: str, extensions: list[str], signed_by: list[str]) -> Pem:
        made = Pem(self._directory / f"{common_name}.crt", self._directory / f"{common_name}.key")
        added = [part for extension in extensions for part in ("-addext", extension)]
        identity = ("-subj", f"/CN={common_name}", "-days", "2")
        files = ("-keyout", str(made.key), "-out", str(made.certificate))
        _openssl("req", "-x509", "-config", str(self._config), *NEW_KEY, *identity, *files, *added, *signed_by)
        return made


def encrypted(key: Path, password: str) -> Path:
    """A copy of the key that only `password` opens."""
    closed = key.with_suffix(".encrypted")
    _openssl("pkcs8", "-topk8", "-v2", "aes256", "-in", str(key), "-out", str(closed), "-passout", f"pass:{password}")
    return closed


def _openssl(*arguments: str) -> None:
    run([found("openssl"), *arguments], limit_s=30)
