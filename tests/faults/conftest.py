"""The fixtures of `tests.support.stage`, and a record of how each scenario went, for docs/guarantees.md."""

import json
from collections.abc import Iterator

import pytest

from tests.faults.table import RESULTS, Scenario
from tests.support.stage import make_stage, stage, tiny_artifact

__all__ = ["make_stage", "stage", "tiny_artifact"]

FOLDER = "tests/faults/"
PROMISE = "promise"
SCENARIOS: list[Scenario] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]  # what the other hooks made
    if report.nodeid.startswith(FOLDER):
        [promise, *_] = (getattr(item, "function", None).__doc__ or "").splitlines() or [""]
        report.user_properties.append((PROMISE, promise))
    return report  # type: ignore[return-value]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Of the processes that share the tests, only the first is told of all."""
    if report.nodeid.startswith(FOLDER) and (report.when == "call" or report.skipped):
        properties = {name: str(value) for name, value in report.user_properties}
        promise = properties.pop(PROMISE)
        SCENARIOS.append(Scenario.of(report.nodeid, promise, report.outcome, report.duration, properties))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if SCENARIOS and not hasattr(session.config, "workerinput"):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([scenario._asdict() for scenario in SCENARIOS], indent=1) + "\n")
