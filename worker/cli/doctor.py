"""`doctor`. Its work: `worker.commands.doctor`."""

import click

from worker.cli.options import json_output, with_settings
from worker.errors import ChecksFailed
from worker.settings.schema import Settings


@click.command()
@json_output("Print all findings as one JSON object.")
@with_settings(*Settings.model_fields)
def doctor(settings: Settings, *, as_json: bool) -> None:
    """Find out what is wrong with a set-up, and what to do.

    Checks brokers, topics, permissions, the group, the newest records, the model, the engine, this machine and the
    settings, with the settings that `run` would use. Writes to no topic and joins no group. For exactly once under a
    random name it begins one transaction and aborts it. Exits with status 11 if a check failed.

    \b
    Example:
      sentiment-worker doctor
      sentiment-worker doctor --json | jq '.findings[] | select(.verdict == "failure")'
    """
    from worker.commands.doctor.examination import examine
    from worker.commands.doctor.report import print_report

    failed = print_report(examine(settings), as_json=as_json)
    if failed:
        raise ChecksFailed(f"failed: {', '.join(failed)}")
