"""The fixtures of `tests.support.stage`, and a record of how each scenario went, for docs/guarantees.md."""

import json
from collections.abc import Iterator

import pytest

from tests.faults.table import RESULTS, Scenario
from tests.support.stage import make_stage, stage, tiny_artifact

__all__ = ["make_stage", "stage", "tiny_artifact"]

FOLDER = "tests/faults/"
SCENARIOS = pytest.StashKey[list[Scenario]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SCENARIOS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]  # what the other hooks made
    if report.nodeid.startswith(FOLDER) and (report.when == "call" or report.skipped):
        properties = {name: str(value) for name, value in report.user_properties}
        [promise, *_] = (getattr(item, "function", None).__doc__ or "").splitlines() or [""]
        scenario = Scenario.of(report.nodeid, promise, report.outcome, report.duration, properties)
        item.config.stash[SCENARIOS].append(scenario)
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    scenarios = session.config.stash[SCENARIOS]
    if scenarios:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([scenario._asdict() for scenario in scenarios], indent=1) + "\n")
