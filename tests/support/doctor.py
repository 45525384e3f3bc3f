"""The `doctor` command in tests: run as users run it, read as a script reads it."""

import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from click.testing import CliRunner

from tests.support.until import until
from worker.cli import main
from worker.settings.schema import ENV_PREFIX, flag_name

LIMIT_S = 60.0


class DoctorReport(NamedTuple):
    """Its exit status and its findings."""

    status: int
    findings: list[dict[str, str]]

    def failed(self) -> set[str]:
        """The checks that failed."""
        return self._of("failure")

    def warned(self) -> set[str]:
        """The checks that gave a warning."""
        return self._of("warning")

    def about(self, check: str) -> str:
        """The findings of one check that are not ok, with their advice."""
        found = [each for each in self.findings if each["check"] == check and each["verdict"] != "ok"]
        return "\n".join(f"{each['seen']} -> {each['advice']}" for each in found)

    def _of(self, verdict: str) -> set[str]:
        return {each["check"] for each in self.findings if each["verdict"] == verdict}


def doctor(settings: Mapping[str, object]) -> DoctorReport:
    """Run `doctor` with these settings and no others."""
    nothing_set = {name: None for name in os.environ if name.startswith(ENV_PREFIX)}
    flags = [part for name, value in settings.items() for part in (flag_name(name), str(value))]
    result = CliRunner(env=nothing_set).invoke(main, ["doctor", "--json", *flags])
    assert result.stdout, f"{result.stderr}{result.exception!r}"
    return DoctorReport(result.exit_code, json.loads(result.stdout)["findings"])


def doctor_when(settings: Mapping[str, object], failed: set[str]) -> DoctorReport:
    """Run `doctor` until exactly these checks fail, because a broker applies a rule a moment after acknowledging it."""

    def examined() -> DoctorReport | None:
        report = doctor(settings)
        return report if report.failed() == failed else None

    return until(examined, LIMIT_S, f"{failed or 'no check'} fails")
