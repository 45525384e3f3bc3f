"""A file with a token is read at each login, and what is no token never leaves it."""

from pathlib import Path

import pytest
from kafka.errors import SaslAuthenticationFailedError

from worker.broker.tokens import TokenFile

TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3b3JrZXIifQ."  # noqa: S105


def test_the_token_is_what_the_file_holds_at_each_login(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    tokens = TokenFile(str(path))
    assert tokens.token() == TOKEN
    path.write_text("renewed")
    assert tokens.token() == "renewed"


@pytest.mark.parametrize("content", [b"", b"two words", b"a\x01auth=Bearer b", b"a\nb", "ä".encode(), b"\xff", b"=a"])
def test_what_is_no_token_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(SaslAuthenticationFailedError) as refused:
        TokenFile(str(path)).token()
    assert refused.value.args == (f"{path} does not hold a token and nothing else",)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(SaslAuthenticationFailedError, match="token cannot be read: No such file"):
        TokenFile(str(tmp_path / "token")).token()
