"""The fixtures of `tests.support.stage`, and a record of how each scenario went, for docs/guarantees.md."""

import json

import pytest

from tests.faults.table import RESULTS, Scenario
from tests.support.stage import make_stage, stage, tiny_artifact

__all__ = ["make_stage", "stage", "tiny_artifact"]

FOLDER = "tests/faults/"
PROMISE = "promise"  # the property of a test that holds the first line of its docstring


class Record:
    """The scenarios of one run, wherever they ran."""

    def __init__(self) -> None:
        self._scenarios: list[Scenario] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid.startswith(FOLDER) and (report.when == "call" or report.skipped):
            properties = {name: str(value) for name, value in report.user_properties}
            promise = properties.pop(PROMISE)
            self._scenarios.append(Scenario.of(report.nodeid, promise, report.outcome, report.duration, properties))

    def pytest_sessionfinish(self) -> None:
        if self._scenarios:
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps([scenario._asdict() for scenario in self._scenarios], indent=1) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # where several processes run the tests, the first of them has all reports
        config.pluginmanager.register(Record())


def pytest_itemcollected(item: pytest.Item) -> None:
    [promise, *_] = (getattr(item, "function", None).__doc__ or "").splitlines() or [""]
    item.user_properties.append((PROMISE, promise))
