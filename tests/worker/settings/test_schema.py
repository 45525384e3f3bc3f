"""Settings: their precedence, errors that name every problem and its source, and secrets that are never shown."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.engines import choice
from worker.errors import SettingsRejected
from worker.settings.schema import (
    MASK,
    Settings,
    allowed_values,
    env_name,
    flag_name,
    is_secret,
)
from worker.settings.sources import load_effective, load_settings

CANARY = "canary-7f3a"
Toml = Callable[[str], str]


@pytest.fixture
def toml(tmp_path: Path) -> Toml:
    def write(text: str) -> str:
        path = tmp_path / "worker.toml"
        path.write_text(text)
        return str(path)

    return write


def rejection(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsRejected) as rejected:
        load_settings(flags or {}, environ or {})
    assert rejected.value.exit_code == 2
    assert CANARY not in repr(rejected.value)
    assert rejected.value.__cause__ is None  # the original error has the values
    return str(rejected.value)


def test_without_any_source_there_are_defaults() -> None:
    settings = load_settings({}, {})
    assert settings == Settings()
    assert settings.input_topic == "reviews.raw"
    assert settings.max_inflight_bytes == 64 * 1024 * 1024


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(toml: Toml) -> None:
    config = toml("linger_ms = 1\nmax_wait_ms = 1\nhttp_port = 1")
    environ = {"SENTIMENT_CONFIG": config, "SENTIMENT_LINGER_MS": "2", "SENTIMENT_MAX_WAIT_MS": "2"}
    effective = load_effective({"linger_ms": "3", "max_wait_ms": None}, environ)
    settings = effective.settings
    assert (settings.linger_ms, settings.max_wait_ms, settings.http_port) == (3, 2, 1)
    assert settings.commit_interval_ms == Settings().commit_interval_ms
    assert effective.origins["linger_ms"] == "--linger-ms"
    assert effective.origins["max_wait_ms"] == "SENTIMENT_MAX_WAIT_MS"
    assert effective.origins["http_port"] == f"{config}: http_port"
    assert effective.origins["commit_interval_ms"] == "default"


def test_the_config_flag_beats_the_config_variable(toml: Toml) -> None:
    settings = load_settings({"config": toml("linger_ms = 1")}, {"SENTIMENT_CONFIG": "/does/not/exist"})
    assert settings.linger_ms == 1


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files pass `${NAME:-}` on."""
    assert load_settings({}, {"SENTIMENT_GROUP_INSTANCE_ID": "", "SENTIMENT_CONFIG": ""}) == Settings()


def test_variables_without_the_prefix_are_ignored() -> None:
    assert load_settings({}, {"LINGER_MS": "77", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    "name", sorted(Settings.model_fields.keys() - {"model", "shadow_model"})
)  # directories are checked when the model is opened
def test_the_error_of_a_wrong_value_has_its_name_the_value_and_the_allowed_ones(name: str) -> None:
    wrong = "" if allowed_values(name) == "any text, not empty" else "\x00" * 300
    message = rejection({name: wrong})
    assert message.startswith(f"{flag_name(name)} = ")
    assert message.endswith(f": must be {allowed_values(name)}")
    assert len(message) < 300


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("linger_ms", 0, 1000), ("http_port", 0, 65535), ("threads", 1, 1024), ("max_wait_ms", 0, 60_000)],
)
def test_the_ends_of_a_range_are_allowed_and_nothing_beyond(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(load_settings({}, {env_name(name): str(value)}), name) == value
    for value in (low - 1, high + 1):
        expected = f"{env_name(name)} = '{value}': must be {low} to {high}"
        assert rejection(environ={env_name(name): str(value)}) == expected


def test_every_problem_has_its_own_line_with_the_name_in_its_source(toml: Toml) -> None:
    config = toml('max_wait_ms = -1\nmodel_dir = "m"')
    message = rejection(
        {"config": config, "delivery": "exactly_once_"},
        {"SENTIMENT_HTTP_PORT": "http", "SENTIMENT_LINGERMS": "5"},
    )
    assert message.splitlines() == [
        "5 settings are wrong",
        "  SENTIMENT_LINGERMS: no such setting; did you mean SENTIMENT_LINGER_MS?",
        f"  {config}: model_dir: no such setting; did you mean model?",
        "  --delivery = 'exactly_once_': must be at_least_once or exactly_once",
        f"  {config}: max_wait_ms = '-1': must be 0 to 60000",
        "  SENTIMENT_HTTP_PORT = 'http': must be 0 to 65535",
    ]


def test_an_unknown_name_like_no_other_is_refused_without_a_suggestion() -> None:
    assert rejection(environ={"SENTIMENT_QWXYZ": "1"}) == "SENTIMENT_QWXYZ: no such setting"


def test_variables_that_kubernetes_sets_for_a_service_are_ignored() -> None:
    service = {
        "SENTIMENT_WORKER_SERVICE_HOST": "10.0.0.1",
        "SENTIMENT_WORKER_SERVICE_PORT": "8080",
        "SENTIMENT_WORKER_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings({}, service) == Settings()
    assert rejection(environ={**service, "SENTIMENT_LINGER": "1"}).startswith("SENTIMENT_LINGER: no such")


@pytest.mark.parametrize(
    ("servers", "kept"),
    [("a:1", "a:1"), ("a:1, b:65535", "a:1,b:65535"), ("[::1]:9092", "[::1]:9092")],
)
def test_bootstrap_servers_can_be_a_list(servers: str, kept: str) -> None:
    assert load_settings({"bootstrap_servers": servers}, {}).bootstrap_servers == kept


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user:canary@host/v1/traces",
        "http://us/canary@host",
        "https://host/v1?key=canary",
        "http://u:canary@host/?k=canary",
    ],
)
def test_an_endpoint_with_a_secret_is_refused_and_the_secret_is_not_shown(endpoint: str) -> None:
    message = rejection({"traces_endpoint": endpoint})
    assert "must be an http or https URL without login, query or fragment" in message
    assert "canary" not in message


NO_URLS = ("/", "host:4318", "ftp://host", "http://", "http://a b", "http://host:x/", "http://[::1")
NO_SERVERS = ("a", "a:", ":1", "a:0", "a:65536", "a:1,", "a:1 b:2", "a:x", "a..b:1", f"{'a' * 64}:1")


@pytest.mark.parametrize(
    ("name", "value"),
    [*(("traces_endpoint", url) for url in NO_URLS), *(("bootstrap_servers", servers) for servers in NO_SERVERS)],
)
def test_an_endpoint_that_is_not_a_url_and_a_broker_without_a_host_or_a_port_are_refused(name: str, value: str) -> None:
    assert f"must be {allowed_values(name)}" in rejection({name: value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linger_ms = true", "linger_ms = 'true': must be 0 to 1000"),
        ("linger_ms = [1]", "linger_ms = [1]: must be 0 to 1000"),
        ("group_id = 2026-01-01", "must be any text, not empty"),
        ("[kafka]\ngroup_id = 'a'", "kafka: no such setting"),
        ("linger_ms = ", "is not TOML: Invalid value (at"),
    ],
)
def test_the_error_of_a_wrong_file_names_the_file(toml: Toml, text: str, expected: str) -> None:
    config = toml(text)
    message = rejection({"config": config})
    assert config in message
    assert expected in message


def test_the_error_of_a_missing_file_names_the_flag() -> None:
    message = rejection({"config": "/does/not/exist.toml"})
    assert message == "--config = '/does/not/exist.toml': cannot be read: No such file or directory"


def test_a_typed_toml_value_equals_its_text(toml: Toml) -> None:
    typed = load_settings({"config": toml("status_reviews = false\nhttp_port = 0\ngroup_id = 'g'")}, {})
    text = load_settings({"status_reviews": "false", "http_port": "0", "group_id": "g"}, {})
    assert typed == text


CREDENTIALS: dict[str, object] = {
    "sasl_mechanism": "PLAIN",
    "sasl_username": "worker",
    "sasl_password": CANARY,
}


TOKEN: dict[str, object] = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "OAUTHBEARER",
    "sasl_oauth_token_file": __file__,
}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"output_topic": "reviews.raw"}, "must all differ"),
        ({"session_timeout_ms": 300_000}, "must be below"),
        ({"max_inflight_records": 10}, "must not be below"),
        ({"handover_timeout_ms": 300_000}, "must be below"),
        ({"drain_timeout_ms": 300_000}, "must be below"),
        ({"delivery": "exactly_once", "commit_interval_ms": 15_000}, "must be below"),
        ({"transactional_id": "worker-1"}, "no use without exactly_once"),
        ({"ssl_certfile": __file__, "security_protocol": "SSL"}, "one needs the other"),
        ({"ssl_cafile": __file__}, "no use without SSL"),
        ({**CREDENTIALS}, "no use without SASL"),
        ({**CREDENTIALS, "security_protocol": "SASL_SSL", "sasl_username": None}, "the first needs the second"),
        ({**CREDENTIALS, "security_protocol": "SASL_SSL", "sasl_password": None}, "the first needs the second"),
        ({**CREDENTIALS, "security_protocol": "SASL_SSL", "sasl_mechanism": None}, "the first needs the second"),
        ({**CREDENTIALS, "security_protocol": "SASL_SSL", "sasl_oauth_token_file": __file__}, "no use with the second"),
        ({**TOKEN, "sasl_oauth_token_file": None}, "the first needs the second"),
        ({**TOKEN, "sasl_password": CANARY}, "no use with the second"),
        ({"security_protocol": "SSL", "ssl_keypassword": CANARY}, "no use without the second"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(flags: dict[str, object], expected: str) -> None:
    assert expected in rejection(flags)


def test_the_error_of_a_contradiction_names_both_settings_in_their_sources() -> None:
    assert rejection({"session_timeout_ms": 31_000}, {"SENTIMENT_MAX_POLL_INTERVAL_MS": "30000"}) == (
        "--session-timeout-ms = '31000' and SENTIMENT_MAX_POLL_INTERVAL_MS = '30000': "
        "the first must be below the second"
    )


@pytest.mark.parametrize(
    "flags",
    [
        {**CREDENTIALS, "security_protocol": "SASL_PLAINTEXT"},
        {**CREDENTIALS, "security_protocol": "SASL_SSL", "ssl_cafile": __file__},
        {"security_protocol": "SSL", "ssl_certfile": __file__, "ssl_keyfile": __file__},
        {"security_protocol": "SSL"},
        TOKEN,
    ],
)
def test_complete_credentials_are_accepted(flags: dict[str, object]) -> None:
    assert load_settings(flags, {}).security_protocol == flags["security_protocol"]


def test_a_secret_is_masked_unless_read_explicitly() -> None:
    settings = load_settings({**CREDENTIALS, "security_protocol": "SASL_SSL"}, {})
    assert settings.sasl_password is not None
    assert settings.sasl_password.get_secret_value() == CANARY
    assert CANARY not in repr(settings) + str(settings) + str(settings.masked()) + settings.model_dump_json()
    assert settings.masked()["sasl_password"] == MASK


def test_no_error_shows_the_secret(toml: Toml) -> None:
    for problem in ({"linger_ms": "x"}, {"sasl_mechanism": "x"}, {"security_protocol": "SSL"}):
        rejection({**CREDENTIALS, **problem})
    rejection(environ={"SENTIMENT_SASL_PASSWROD": CANARY})
    rejection({"config": toml(f'sasl_password = ["{CANARY}"]')})
    rejection({"config": toml(f'sasl_password = "{CANARY}')})
    with pytest.raises(ValidationError) as invalid:
        Settings.model_validate({**CREDENTIALS, "sasl_password": [CANARY]})
    assert CANARY not in str(invalid.value)


def test_a_secret_can_be_in_a_file_that_a_variable_names(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f" {CANARY} \r\n")
    flags = {**CREDENTIALS, "security_protocol": "SASL_SSL", "sasl_password": None}
    effective = load_effective(flags, {"SENTIMENT_SASL_PASSWORD_FILE": str(file)})
    assert effective.settings.sasl_password is not None
    assert effective.settings.sasl_password.get_secret_value() == f" {CANARY} "
    assert effective.origins["sasl_password"] == env_name("sasl_password") + "_FILE"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read: No such file"),
        (b"\n", "must be any text, not empty"),
        (CANARY.encode() + b"\xff", "is not text"),
    ],
)
def test_the_error_of_a_file_without_a_secret_names_the_variable(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    message = rejection(environ={"SENTIMENT_SASL_PASSWORD_FILE": str(file)})
    assert "SENTIMENT_SASL_PASSWORD_FILE = " in message
    assert expected in message


def test_a_secret_given_as_variable_and_as_file_is_refused(tmp_path: Path) -> None:
    environ = {"SENTIMENT_SASL_PASSWORD": CANARY, "SENTIMENT_SASL_PASSWORD_FILE": str(tmp_path / "password")}
    assert "SENTIMENT_SASL_PASSWORD and SENTIMENT_SASL_PASSWORD_FILE: give one of them" in rejection(environ=environ)


def test_only_secrets_are_read_from_files() -> None:
    assert "no such setting" in rejection(environ={"SENTIMENT_SASL_USERNAME_FILE": __file__})


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().linger_ms = 6


def test_constructing_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_LINGER_MS", "77")
    assert Settings().linger_ms == 0


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_description_and_allowed_values(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")
    assert allowed_values(name)
    assert "|" not in description + allowed_values(name), "breaks the table of docs/configuration.md"


def test_only_passwords_are_secrets() -> None:
    assert [name for name in Settings.model_fields if is_secret(name)] == ["sasl_password", "ssl_keypassword"]


@given(st.dictionaries(st.sampled_from(list(Settings.model_fields)), st.text()))
def test_any_environment_is_accepted_or_the_error_names_a_variable(values: dict[str, str]) -> None:
    environ = {env_name(name): value for name, value in values.items()}
    try:
        load_settings({}, environ)
    except SettingsRejected as exc:
        message = str(exc)
    else:
        return
    assert any(name in message for name in environ)


@pytest.mark.parametrize(
    ("name", "known"),
    [("engine", choice.ENGINES), ("device", choice.DEVICES), ("precision", choice.PRECISIONS)],
)
def test_every_engine_device_and_precision_can_be_set(name: str, known: tuple[str, ...]) -> None:
    assert get_args(Settings.model_fields[name].annotation) == known
