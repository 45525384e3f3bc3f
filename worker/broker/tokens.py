"""Tokens for OAUTHBEARER, read from a file that another program keeps fresh."""

import re
from pathlib import Path
from typing import Final

# As RFC 6750 defines it; any other character could end the token early and inject fields into the login.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def read_token(path: str) -> str:
    """Return what the file holds. Replace the file as a whole (rename over it): it is read at each login.

    Raises ValueError where it cannot be read or holds anything but a token; the message never shows the content.
    """
    try:
        token = Path(path).read_text("utf-8", errors="replace").strip()
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from exc
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"{path} does not hold a token and nothing else")
    return token
