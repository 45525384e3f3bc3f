"""Each alert fires by the fault that it is for, in a real Prometheus beside a real worker; without a fault none does.

Prometheus runs the shipped configuration and rules in a world that goes many times as fast; their expressions stay.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import open_broker
from tests.support.prometheus import ALERTS, PROMETHEUS, Prometheus, hurried, program, running
from tests.support.until import let_pass, until
from tests.watching.faults import FAULTS, HURRY, WELL, Case, Place
from tests.watching.report import Seen, Told

pytestmark = pytest.mark.broker

LIMIT_S = 150.0
PACE_S = 1.0

Fired = dict[type[Case], dict[str, float]]  # of each case, the alerts and after how many seconds


def watched(case: Case, folder: Path, open_: ExitStack) -> Prometheus:
    """A Prometheus for one worker."""
    (folder / "rules").mkdir(parents=True)
    for path in (PROMETHEUS / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(hurried(path.read_text("utf-8"), case.hurry), "utf-8")
    config = hurried((PROMETHEUS / "prometheus.yml").read_text("utf-8"), HURRY)
    assert "localhost:8080" in config
    (folder / "prometheus.yml").write_text(config.replace("localhost:8080", f"127.0.0.1:{case.port}"), "utf-8")
    return open_.enter_context(running(folder / "prometheus.yml", folder))


def observed(watchers: dict[Case, Prometheus]) -> Fired:
    """Start every fault, and wait until its alerts have fired or the time is over."""
    began_s = {}
    for case in watchers:
        began_s[case] = time.monotonic()
        case.begin()
    fired: Fired = {type(case): {} for case in watchers}
    over_s = time.monotonic() + LIMIT_S
    while any(case.told_by - fired[type(case)].keys() for case in watchers) and time.monotonic() < over_s:
        let_pass(PACE_S)
        for case, prometheus in watchers.items():
            case.go_on()
            for alert in prometheus.firing():
                fired[type(case)].setdefault(alert, time.monotonic() - began_s[case])
    return fired


@pytest.fixture(scope="module")
def fired(
    broker: Broker, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Fired]:
    """All faults at once."""
    program("prometheus")  # before anything is started for nothing
    folder = tmp_path_factory.mktemp("alerts")
    with open_broker(request.config, own=True) as own_broker, ExitStack() as open_:
        place = Place(broker, own_broker, tiny_artifact, folder)
        cases = [kind(place, open_) for kind in (WELL, *FAULTS)]
        for case in cases:
            case.worker.until_ready()
        watchers = {case: watched(case, folder / type(case).__name__, open_) for case in cases}
        for prometheus in watchers.values():
            until(partial(prometheus.values, "sentiment_ready == 1"), LIMIT_S, "the worker is watched")
        try:
            yield observed(watchers)
        finally:
            own_broker.resume()  # or its clients could not be closed


@pytest.mark.parametrize(
    ("fault", "alert"), [pytest.param(fault, alert) for fault in FAULTS for alert in sorted(fault.told_by)]
)
def test_a_fault_fires_its_alert(fault: type[Case], alert: str, fired: Fired, seen: Seen) -> None:
    assert alert in fired[fault], f"only {sorted(fired[fault])} fired"
    seen.alerts.append(Told(alert, fault.__doc__ or "", fired[fault][alert]))


def test_a_healthy_worker_fires_no_alert_but_those_on_latency(fired: Fired) -> None:
    """A machine that is busy for a second is, in a world that goes so fast, late for a minute."""
    assert not [alert for alert in fired[WELL] if not alert.startswith("SentimentLatency")]


def test_there_is_a_fault_for_each_alert() -> None:
    assert {alert for fault in FAULTS for alert in fault.told_by} == set(ALERTS)
