"""Printing findings, as text or as JSON."""

from collections.abc import Iterable, Sequence
from typing import Final

import click

from worker.commands.doctor.findings import Finding, Severity
from worker.commands.terminal import echo_json, printable

_COLORS: Final = {"ok": "green", "warning": "yellow", "failure": "red", "skipped": "bright_black"}


def print_report(findings: Iterable[Finding], *, as_json: bool) -> list[str]:
    """Print each finding as soon as it is there, then a summary; or everything as one JSON object.

    Returns the names of the checks that failed.
    """
    printed = []
    for finding in findings:
        printed.append(finding)
        if not as_json:
            click.echo(lines(finding))
    if as_json:
        echo_json(document(printed))
    else:
        click.echo(summary(printed))
    return list(dict.fromkeys(finding.check for finding in printed if finding.severity is Severity.FAILURE))


def lines(finding: Finding) -> str:
    """Return one line for what was seen and, if there is something to do, one for that."""
    severity = click.style(f"{finding.severity:<8}", fg=_COLORS[finding.severity])
    seen = f"{severity} {finding.check}: {printable(finding.seen)}"
    return f"{seen}\n{'':8} -> {printable(finding.advice)}" if finding.advice else seen


def summary(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each severity."""
    return ", ".join(f"{number} {severity}" for severity, number in count(findings).items())


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the findings for `--json`."""
    shown = [
        {"check": each.check, "verdict": each.severity.value, "seen": each.seen, "advice": each.advice or None}
        for each in findings
    ]
    return {"findings": shown, "counts": count(findings)}


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    severities = [finding.severity for finding in findings]
    return {severity.value: severities.count(severity) for severity in Severity}
