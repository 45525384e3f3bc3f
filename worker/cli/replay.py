"""`replay`. Its work: `worker.commands.replay`."""

from datetime import UTC, datetime
from typing import Any, Final

import click

from worker.cli.options import CONNECTION, json_output, with_settings
from worker.settings.schema import Settings
from worker.wire.reasons import Reason

REASON: Final = click.Choice([reason.value for reason in Reason])
TIME: Final = click.DateTime(("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"))


def _utc(_: click.Context, __: click.Parameter, time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


@click.command()
@click.option(
    "--reason", "reasons", multiple=True, type=REASON, help="Only dead letters with this reason; may be repeated."
)
@click.option("--since", type=TIME, callback=_utc, help="Only what failed at this time (UTC) or later.")
@click.option("--until", type=TIME, callback=_utc, help="Only what failed before this time (UTC).")
@click.option(
    "--max-replays",
    type=click.IntRange(1),
    default=1,
    help="Skip dead letters that were already replayed this many times.",
)
@click.option("--dry-run", is_flag=True, help="Only count: send nothing, commit nothing.")
@json_output("Print the counts as JSON: sent by reason of the dead letter, left by why it was skipped.")
@with_settings("group_id", "input_topic", "dlq_topic", *CONNECTION)
def replay(settings: Settings, *, dry_run: bool, as_json: bool, **criteria: Any) -> None:
    """Send dead letters back to the input topic.

    Reads each dead letter once, whether it is sent or skipped: the group GROUP_ID.replay commits the position.
    Key, value and headers are sent as they were. One that fails again is skipped by the next replay. The setting
    `client` does not apply: replay always uses kafka-python, because confluent drops headers with names that are not
    UTF-8.

    \b
    Example:
      sentiment-worker replay --reason unscorable --since 2026-11-24T08:00:00 --dry-run
    """
    from worker.commands.replay import ReplayFilter, replay_dead_letters

    replay_dead_letters(settings, ReplayFilter(**criteria), dry_run=dry_run, as_json=as_json)
