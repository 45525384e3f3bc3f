"""Printing findings, as text or as JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

import click

from worker.commands.doctor.findings import Finding, Verdict
from worker.commands.terminal import echo_json, printable

_COLORS: Final = {"ok": "green", "warning": "yellow", "failure": "red", "skipped": "bright_black"}


def print_report(findings: Iterable[Finding], *, as_json: bool) -> list[str]:
    """Print each finding as soon as it is there, then how many there are of each verdict; or all as one JSON object.

    Returns the names of the checks that failed.
    """
    printed = []
    for finding in findings:
        printed.append(finding)
        if not as_json:
            _print(finding)
    counts = {verdict: sum(finding.verdict is verdict for finding in printed) for verdict in Verdict}
    if as_json:
        echo_json({"findings": [asdict(finding) for finding in printed], "counts": counts})
    else:
        click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return list(dict.fromkeys(finding.check for finding in printed if finding.verdict is Verdict.FAILURE))


def _print(finding: Finding) -> None:
    verdict = click.style(f"{finding.verdict:<8}", fg=_COLORS[finding.verdict])
    click.echo(f"{verdict} {finding.check}: {printable(finding.seen)}")
    if finding.advice:
        click.echo(f"{'':8} -> {printable(finding.advice)}")
