"""A real Prometheus on the loopback interface, asked through its HTTP interface."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from deploy.grafana.boards import DASHBOARDS
from deploy.kafka.ports import free_ports
from tests.support.until import until

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = "".join(path.read_text("utf-8") for path in sorted((PROMETHEUS / "rules").glob("*.yml")))
RECORDED = re.findall(r"- record: (\S+)", RULES)
ALERTS = re.findall(r"- alert: (\S+)", RULES)

UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

ANSWER_LIMIT_S = 5.0
START_LIMIT_S = 20.0
EXIT_LIMIT_S = 10.0


def panel_queries() -> dict[str, str]:
    """Each query of each panel of each dashboard, under a name that says where it stands."""
    return {
        f"{name}: {panel['title']} ({panel['id']}{target['refId']})": target["expr"]
        for name, board in DASHBOARDS.items()
        for panel in board["panels"]
        for target in panel["targets"]
    }


def board_and_panel(query: str) -> tuple[str, str]:
    """Of the name of a query, the dashboard and the panel that it belongs to."""
    board, _, panel = query.rstrip("ABCDEFGH)").partition(": ")
    return board, panel


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine: apt-get install prometheus, or deploy/ci/prometheus.sh")
    return found


def hurried(rules: str, times: int) -> str:
    """The same rules in a world where everything goes `times` as fast: each duration is shorter, nothing else."""
    shorter = re.sub(r"(?<!\w)(\d+)([smhd])\b", lambda match: f"{int(match[1]) * UNIT_MS[match[2]] // times}ms", rules)
    in_seconds = r"(predict_linear\(.+, |_age_seconds\) > )(\d+)"
    return re.sub(in_seconds, lambda match: f"{match[1]}{int(match[2]) / times:g}", shorter)


class Prometheus:
    """What it knows."""

    def __init__(self, port: int) -> None:
        self._port = port

    def answers(self) -> bool:
        """Whether it serves queries."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=ANSWER_LIMIT_S):
                return True
        except OSError:
            return False

    def values(self, query: str) -> list[float]:
        """The value of each series now; what is not a number is no value. Fails when the query is wrong."""
        samples = self._get("query", query=query)["result"]
        values = [float(sample["value"][1]) for sample in samples]
        return [value for value in values if not isnan(value)]

    def rules(self) -> list[dict[str, Any]]:
        """Each rule with its health and, for alerts, its state."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def pending(self) -> set[str]:
        """The alerts whose condition holds, fired or not."""
        return {rule["name"] for rule in self.rules() if rule.get("state") in ("pending", "firing")}

    def firing(self) -> set[str]:
        """The alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def _get(self, what: str, **parameters: str) -> Any:
        path = f"/api/v1/{what}?{urlencode(parameters)}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=ANSWER_LIMIT_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None


@contextmanager
def running(config: Path, folder: Path) -> Iterator[Prometheus]:
    """Prometheus with this configuration, its data and its log in `folder`."""
    port = free_ports(1)[0]
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        prometheus = Prometheus(port)
        until(lambda: process.poll() is not None or prometheus.answers(), START_LIMIT_S, "Prometheus answers")
        assert process.poll() is None, log.read_text()
        yield prometheus
    finally:
        process.kill()
        process.wait(EXIT_LIMIT_S)
