"""The settings as text, JSON, TOML and Markdown."""

import json
import tomllib
from pathlib import Path

from worker.settings.schema import MASK, Settings
from worker.settings.sources import load_effective, load_settings
from worker.settings.views import as_json, as_text, as_toml, settings_page, settings_table

ROOT = Path(__file__).parents[3]
CANARY = "canary-7f3a"
FLAGS: dict[str, object] = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "PLAIN",
    "sasl_username": 'quote " backslash \\ umlaut ü',
    "sasl_password": CANARY,
    "status_reviews": "false",
}
EFFECTIVE = load_effective(FLAGS, {"SENTIMENT_LINGER_MS": "7"})


def test_the_committed_page_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert committed == settings_page(), "stale: run `sentiment-worker config --markdown > docs/configuration.md`"


def test_the_table_has_a_row_of_four_cells_for_each_setting_and_no_path_of_this_machine() -> None:
    rows = settings_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(Settings.model_fields)
    assert {row.count("|") for row in rows} == {5}
    assert str(ROOT) not in settings_table()


def test_no_view_shows_the_secret() -> None:
    for view in (as_text, as_json, as_toml):
        assert CANARY not in view(EFFECTIVE)
        assert MASK in view(EFFECTIVE)


def test_text_has_each_value_and_its_source() -> None:
    lines = [line.split() for line in as_text(EFFECTIVE).splitlines()]
    assert ["linger_ms", "7", "SENTIMENT_LINGER_MS"] in lines
    assert ["status_reviews", "false", "--status-reviews"] in lines
    assert ["threads", "default"] in lines


def test_json_has_typed_values_and_their_sources() -> None:
    settings = json.loads(as_json(EFFECTIVE))
    assert settings["linger_ms"] == {"value": 7, "source": "SENTIMENT_LINGER_MS"}
    assert settings["status_reviews"] == {"value": False, "source": "--status-reviews"}
    assert settings["sasl_password"] == {"value": MASK, "source": "--sasl-password"}
    assert list(settings) == list(Settings.model_fields)


def test_toml_can_be_loaded_again_except_for_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text(as_toml(EFFECTIVE), "utf-8")
    assert "sasl_password" not in tomllib.loads(file.read_text("utf-8"))
    again = load_settings({"config": str(file), "sasl_password": CANARY}, {})
    assert again == EFFECTIVE.settings
