"""`doctor`."""

import click

from worker.cli.options import begin, echo_json, json_output, setting_flags
from worker.errors import ChecksFailed
from worker.settings.schema import Settings


@click.command()
@json_output("Print all findings as one JSON object.")
@setting_flags(*Settings.model_fields)
def doctor(*, as_json: bool, **flags: str | None) -> None:
    """Find out what is wrong with a set-up, and what to do.

    Looks at brokers, topics, permissions, the group, the newest records, the model, the engine, this machine and the
    settings, as `run` would have them. Writes nothing to a topic and joins no group; exactly once without a name of the
    worker, it begins one transaction and gives it up. Ends with status 11 when something has failed.

    \b
    Example:
      sentiment-worker doctor
      sentiment-worker doctor --json | jq '.findings[] | select(.verdict == "failure")'
    """
    settings = begin(flags)
    from worker.commands.doctor import report
    from worker.commands.doctor.examination import examine
    from worker.commands.doctor.findings import Verdict

    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            click.echo(report.lines(finding))
    if as_json:
        echo_json(report.document(findings))
    else:
        click.echo(report.summary(findings))
    failed = [finding.check for finding in findings if finding.verdict is Verdict.FAILURE]
    if failed:
        raise ChecksFailed(f"failed: {', '.join(dict.fromkeys(failed))}")
