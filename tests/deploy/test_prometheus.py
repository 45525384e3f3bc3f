"""The rules and dashboards: valid, consistent with the metrics, and each alert fires exactly when it should."""

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from deploy.grafana.__main__ import FOLDER, to_text
from deploy.grafana.boards import DASHBOARDS
from tests.fakes.fake_predictor import FakePredictor
from tests.support.prometheus import ALERTS, PROMETHEUS, RECORDED, RULES, panel_queries, program
from worker.monitoring.metrics import Metrics, ShadowMetrics

ROOT = Path(__file__).parents[2]
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def promtool(*arguments: object) -> None:
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_and_its_rules_are_valid() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_have_to_and_not_otherwise(tests: Path) -> None:
    promtool("test", "rules", tests)


def test_each_alert_is_seen_to_fire() -> None:
    """The tests of the rules compare all firing alerts, so an alert that is expected nowhere never fires in them."""
    expected = re.findall(r"labels: '\{alertname=\"(\w+)\"", "".join(path.read_text("utf-8") for path in TESTS))
    assert set(expected) == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: str) -> None:
    [text] = re.findall(rf"- alert: {alert}\n(.*?)(?=\n +- alert|\Z)", RULES, re.DOTALL)
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.MULTILINE)
    assert re.search(r"severity: (page|ticket)\b", text)
    assert all(f"\n          {part}: " in text for part in ("summary", "description"))
    assert f"runbook_url: docs/runbook.md#{alert.lower()}" in text
    assert alert in headings


def test_rules_and_dashboards_ask_for_what_there_is() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    ShadowMetrics(registry, FakePredictor().info)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    shown = {family.name + suffix for family in registry.collect() for suffix in SUFFIXES[family.type]}
    asked = re.findall(r"\b(?:sentiment|process|python)[_:][\w:]*\w", "\n".join([RULES, *panel_queries().values()]))
    assert set(asked) - shown - set(RECORDED) == set()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_committed_dashboard_is_the_generated_one(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text("utf-8")
    assert committed == to_text(DASHBOARDS[name]), "stale: run `python -m deploy.grafana`"
