"""A secret goes to the broker and nowhere else, whatever happens."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from deploy.kafka.ports import free_ports
from tests.security.cluster import KEY_PASSWORD, PASSWORD, USER, Pki, SecuredListeners, Settings
from tests.security.permissions import LEAST_PRIVILEGE, granted
from tests.support.collector import collector
from tests.support.kafka_io import Message, read_all
from tests.support.stage import Stage
from tests.support.traffic import reviews
from tests.support.until import until
from tests.support.worker_process import ROOT, environment

pytestmark = pytest.mark.broker

BAD = Message(b"no review", key=b"bad", partition=0)
TRACES_TOKEN = "canary-traces-token-d31f"  # noqa: S105  # nobody asks for it
PAGES = ("/", "/status.json", "/metrics", "/livez", "/readyz")
# A crash whose message holds all that the program knows.
CRASH = """
import worker.app
def crash(settings):
    raise RuntimeError(f"an unexpected error: {settings!r} {worker.app.connect_with(settings)!r}")
worker.app.require_topics = lambda *_: {}
worker.app.open_predictor = crash
from worker.cli import main
main(["run"])
"""


@pytest.fixture(autouse=True)
def traces_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token for the trace collector, given as OpenTelemetry takes it, and once more as it should not be."""
    headers = f"authorization=Bearer%20{TRACES_TOKEN},{TRACES_TOKEN} misspelt"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)


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


def all_of(stage: Stage, shadow_model: Path, settings: Settings) -> str:
    """Everything that a worker shows to anybody while it does its work, from its start to its end."""
    stage.traffic.send([*islice(reviews(seed=1), 40), BAD])
    with granted(stage, f"User:{USER}", LEAST_PRIVILEGE):
        worker = stage.start(shadow_model=shadow_model, **settings).until_ready()
        stage.traffic.until_answered()
        worker.reload()
        until(lambda: worker.metric("sentiment_model_reloads_total", result="done") == 1, 60, "the model changes")
        pages = [worker.get(path)[1] for path in PAGES]
        command_line = worker.command_line()
        assert worker.stop() == 0
    records = [read_all(stage.address, topic) for topic in (stage.topics.output, stage.topics.dlq)]
    assert all(pages)
    assert all(records)
    return "\n".join([*pages, command_line, worker.log(), *map(str, records)])


def test_a_worker_shows_no_password_and_its_traces_hold_none(
    stage: Stage, tiny_artifact: Path, passwords: Settings
) -> None:
    traces: list[object] = []
    with collector(traces.append) as endpoint:
        shown = all_of(stage, tiny_artifact, passwords | {"log_format": "text", "traces_endpoint": endpoint})
    assert traces
    assert seen([PASSWORD, KEY_PASSWORD, TRACES_TOKEN], shown + str(traces)) == []


def test_a_worker_shows_no_token(stage: Stage, tiny_artifact: Path, listeners: SecuredListeners) -> None:
    """Nor that for its traces, which nobody takes."""
    way = listeners.login("OAUTHBEARER") | {"log_level": "DEBUG", "log_format": "json"}
    token = Path(way["sasl_oauth_token_file"]).read_text().strip()
    shown = all_of(stage, tiny_artifact, way | {"traces_endpoint": f"http://127.0.0.1:{free_ports(1)[0]}/v1/traces"})
    assert "the last traces could not be sent" in shown
    assert seen([token, token.split(".")[1], TRACES_TOKEN], shown) == []


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
    assert "RuntimeError: an unexpected error" in told
    assert seen([PASSWORD, KEY_PASSWORD], told) == []


@pytest.mark.parametrize("view", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("command", [["doctor"], ["lag"], ["model", "inspect"], ["model", "verify"]], ids=" ".join)
def test_a_command_shows_no_secret(
    stage: Stage, tiny_artifact: Path, passwords: Settings, command: list[str], view: list[str]
) -> None:
    subject = [str(tiny_artifact)] if command[0] == "model" else []
    settings = passwords | {
        "input_topic": stage.topics.input,
        "output_topic": stage.topics.output,
        "dlq_topic": stage.topics.dlq,
        "group_id": stage.group,
        "model": tiny_artifact,
        "traces_endpoint": f"http://127.0.0.1:{free_ports(1)[0]}/v1/traces",
        "http_port": free_ports(1)[0],
    }
    with granted(stage, f"User:{USER}", LEAST_PRIVILEGE):
        told = printed(["-m", "worker", *command, *subject, *view], settings)
    assert "Traceback" not in told
    assert seen([PASSWORD, KEY_PASSWORD, TRACES_TOKEN], told) == []


@pytest.mark.parametrize("view", [[], ["--json"], ["--toml"]], ids=["text", "json", "toml"])
def test_the_settings_in_force_are_shown_without_secrets(passwords: Settings, view: list[str]) -> None:
    told = printed(["-m", "worker", "config", *view], passwords)
    assert USER in told
    assert seen([PASSWORD, KEY_PASSWORD], told) == []
