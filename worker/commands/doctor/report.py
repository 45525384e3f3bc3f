"""Findings as people and programs read them."""

from collections.abc import Sequence
from typing import Final

import click

from worker.commands.doctor.findings import Finding, Verdict, count
from worker.commands.terminal import printable

_COLORS: Final = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILURE: "red",
    Verdict.SKIPPED: "bright_black",
}


def lines(finding: Finding) -> str:
    """Return one line for what was seen and, where there is something to do, one for that."""
    verdict = click.style(f"{finding.verdict:<8}", fg=_COLORS[finding.verdict])
    said = f"{verdict} {finding.check}: {printable(finding.seen)}"
    return f"{said}\n{'':8} -> {printable(finding.advice)}" if finding.advice else said


def summary(findings: Sequence[Finding]) -> str:
    """Return how many there are of each verdict."""
    return ", ".join(f"{number} {verdict}" for verdict, number in count(findings).items())


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """Return all of it for `--json`."""
    shown = [
        {"check": each.check, "verdict": each.verdict.value, "seen": each.seen, "advice": each.advice or None}
        for each in findings
    ]
    return {"findings": shown, "counts": count(findings)}
