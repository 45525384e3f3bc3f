"""Tokens for OAUTHBEARER: a file that something else keeps fresh."""

import re
from pathlib import Path
from typing import Final

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

# As RFC 6750 has it; anything else could end the token early and add to the login what nobody meant.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """Reads the token at each login. The file must be replaced as a whole (renamed over), never half written."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)

    def token(self) -> str:
        """Return what the file holds. Raises SaslAuthenticationFailedError, for the library to tell."""
        try:
            token = self._path.read_text("utf-8", errors="replace").strip()
        except OSError as exc:
            raise SaslAuthenticationFailedError(f"{self._path} cannot be read: {exc.strerror}") from exc
        if not _TOKEN.fullmatch(token):
            raise SaslAuthenticationFailedError(f"{self._path} does not hold a token and nothing else")
        return token
