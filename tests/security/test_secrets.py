"""A secret goes to the broker and nowhere else, whatever happens."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.security.cluster import KEY_PASSWORD, PASSWORD, USER, Pki, SecuredListeners, Settings
from tests.security.permissions import LEAST_PRIVILEGE, granted
from tests.support.kafka_io import Message, read_all
from tests.support.stage import Stage
from tests.support.traffic import reviews
from tests.support.worker_process import ROOT, environment

pytestmark = pytest.mark.broker

BAD = Message(b"no review", key=b"bad", partition=0)
PAGES = ("/", "/status.json", "/metrics", "/livez", "/readyz")
# A crash whose message holds all that the program knows.
CRASH = """
import worker.app
def crash(settings):
    raise RuntimeError(f"nobody foresaw this: {settings!r} {worker.app.connect_with(settings)!r}")
worker.app.require_topics = lambda *_: {}
worker.app.open_predictor = crash
from worker.cli import main
main(["run"])
"""


@pytest.fixture
def passwords(listeners: SecuredListeners, pki: Pki) -> Settings:
    """A password and the password of a key, with everything logged."""
    own = pki.encrypted_client
    key = {"ssl_certfile": own.certificate, "ssl_keyfile": own.key, "ssl_keypassword": KEY_PASSWORD}
    return listeners.login("PLAIN") | key | {"log_level": "DEBUG"}


def seen(secrets: list[str], everything: str) -> list[str]:
    """The secrets that stand in it."""
    assert everything
    return [secret for secret in secrets if secret in everything]


def printed(arguments: list[str], settings: Settings) -> str:
    """All that Python prints with these arguments and settings."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def all_of(stage: Stage, settings: Settings) -> str:
    """Everything that a worker shows to anybody while it does its work, from its start to its end."""
    stage.traffic.send([*islice(reviews(seed=1), 40), BAD])
    with granted(stage, f"User:{USER}", LEAST_PRIVILEGE):
        worker = stage.start(**settings).until_ready()
        stage.traffic.until_answered()
        pages = [worker.get(path)[1] for path in PAGES]
        command_line = worker.command_line()
        assert worker.stop() == 0
    records = [read_all(stage.address, topic) for topic in (stage.topics.output, stage.topics.dlq)]
    assert all(pages)
    assert all(records)
    return "\n".join([*pages, command_line, worker.log(), *map(str, records)])


def test_a_worker_shows_no_password(stage: Stage, passwords: Settings) -> None:
    assert seen([PASSWORD, KEY_PASSWORD], all_of(stage, passwords | {"log_format": "text"})) == []


def test_a_worker_shows_no_token(stage: Stage, listeners: SecuredListeners) -> None:
    way = listeners.login("OAUTHBEARER") | {"log_level": "DEBUG", "log_format": "json"}
    token = Path(way["sasl_oauth_token_file"]).read_text().strip()
    assert seen([token, token.split(".")[1]], all_of(stage, way)) == []


@pytest.mark.parametrize(
    ("wrong", "status", "log_format"),
    [
        ({"sasl_password": "canary-wrong"}, 5, "text"),
        ({"sasl_mechanism": "SCRAM-SHA-256", "sasl_password": "canary-wrong"}, 5, "json"),
        ({"ssl_keypassword": "canary-wrong"}, 2, "json"),
    ],
    ids=["password", "scram-password", "key-password"],
)
def test_a_worker_that_is_not_let_in_shows_no_secret(
    stage: Stage, passwords: Settings, wrong: Settings, status: int, log_format: str
) -> None:
    worker = stage.start(**passwords | wrong | {"log_format": log_format})
    assert worker.exit_status() == status
    assert seen([PASSWORD, KEY_PASSWORD, "canary-wrong"], worker.log()) == []


def test_a_worker_that_finds_no_broker_shows_no_secret(stage: Stage, passwords: Settings, tmp_path: Path) -> None:
    secret_file = tmp_path / "password"
    secret_file.write_text(PASSWORD)
    del passwords["sasl_password"]
    way = passwords | {"sasl_password_file": secret_file, "bootstrap_servers": "127.0.0.1:1"}
    worker = stage.start(**way)
    assert worker.exit_status() == 3
    assert seen([PASSWORD, KEY_PASSWORD], worker.log()) == []


def test_a_crash_shows_no_secret(passwords: Settings) -> None:
    told = printed(["-c", CRASH], passwords | {"http_port": 0})
    assert "RuntimeError: nobody foresaw this" in told
    assert seen([PASSWORD, KEY_PASSWORD], told) == []


@pytest.mark.parametrize("view", [[], ["--json"], ["--toml"]], ids=["text", "json", "toml"])
def test_the_settings_in_force_are_shown_without_secrets(passwords: Settings, view: list[str]) -> None:
    told = printed(["-m", "worker", "config", *view], passwords)
    assert USER in told
    assert seen([PASSWORD, KEY_PASSWORD], told) == []
