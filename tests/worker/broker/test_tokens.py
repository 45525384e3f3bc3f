"""A file with a token is read at each login, and invalid content is never shown."""

from pathlib import Path

import pytest
from kafka.errors import SaslAuthenticationFailedError

from worker.broker.confluent.client import ReportedErrors, settings_of
from worker.broker.connection import Connection
from worker.broker.kafka_python.client import TokenFile
from worker.broker.tokens import read_token

TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3b3JrZXIifQ."  # noqa: S105


def test_the_token_is_what_the_file_holds_at_each_login(tmp_path: Path) -> None:
    path = tmp_path / "token"
    connection = Connection(
        "localhost:1",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_file=str(path),
    )
    of_confluent = settings_of(connection, ReportedErrors())["oauth_cb"]
    of_kafka_python = TokenFile(str(path))
    for token in (TOKEN, "renewed"):
        path.write_text(f"{token}\n")
        assert read_token(str(path)) == of_kafka_python.token() == of_confluent("")[0] == token


@pytest.mark.parametrize("content", [b"", b"two words", b"a\x01auth=Bearer b", b"a\nb", "ä".encode(), b"\xff", b"=a"])
def test_what_is_no_token_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(SaslAuthenticationFailedError) as refused:
        TokenFile(str(path)).token()
    assert refused.value.args == (f"{path} does not hold a token and nothing else",)
    with pytest.raises(ValueError, match="does not hold a token and nothing else") as invalid:
        read_token(str(path))
    assert invalid.value.args == refused.value.args


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(SaslAuthenticationFailedError, match="token cannot be read: No such file"):
        TokenFile(str(tmp_path / "token")).token()
