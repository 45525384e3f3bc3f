"""`config`: the settings in force, without secrets."""

import json
from pathlib import Path

import pytest

from tests.support.worker_process import ROOT
from tests.worker.cli.runner import invoke
from worker.settings.schema import MASK

CANARY = "canary-7f3a"


def test_config_shows_the_effective_value_its_source_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "worker.toml"
    file.write_text("linger_ms = 1\nmax_wait_ms = 1\nhttp_port = 1\n")
    monkeypatch.setenv("SENTIMENT_LINGER_MS", "2")
    monkeypatch.setenv("SENTIMENT_MAX_WAIT_MS", "2")
    secret = ["--security-protocol", "SASL_SSL", "--sasl-mechanism", "PLAIN", "--sasl-username", "u"]
    arguments = ["config", "--config", str(file), "--linger-ms", "3", *secret, "--sasl-password", CANARY]
    for view in ([], ["--toml"], ["--json"]):
        result = invoke(*arguments, *view)
        assert result.exit_code == 0
        assert CANARY not in result.output
        assert MASK in result.output
    shown = json.loads(result.stdout)
    assert shown["linger_ms"] == {"value": 3, "source": "--linger-ms"}
    assert shown["max_wait_ms"] == {"value": 2, "source": "SENTIMENT_MAX_WAIT_MS"}
    assert shown["http_port"] == {"value": 1, "source": f"{file}: http_port"}


def test_config_as_toml_can_be_given_back(tmp_path: Path) -> None:
    first = invoke("config", "--toml", "--linger-ms", "7", "--status-reviews", "false")
    file = tmp_path / "worker.toml"
    file.write_text(first.stdout)
    values = [json.loads(invoke("config", "--json", *flags).stdout) for flags in (["--config", str(file)], [])]
    changed = {name for name in values[0] if values[0][name]["value"] != values[1][name]["value"]}
    assert changed == {"linger_ms", "status_reviews"}


def test_config_prints_the_committed_page() -> None:
    assert invoke("config", "--markdown").stdout == (ROOT / "docs" / "configuration.md").read_text("utf-8")
