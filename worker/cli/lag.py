"""`lag`. Its work: `worker.commands.lag`."""

import click

from worker.cli.options import CONNECTION, json_output, with_settings
from worker.settings.schema import Settings


@click.command()
@click.option(
    "--watch",
    "every_s",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Repeat after this many seconds, until Ctrl-C.",
)
@json_output("Print one JSON object each time.")
@with_settings("group_id", "input_topic", *CONNECTION)
def lag(settings: Settings, *, every_s: float | None, as_json: bool) -> None:
    """Print the group's lag, partition by partition.

    Asks the broker and joins no group. With --watch it also estimates when the group will have caught up.

    \b
    Example:
      sentiment-worker lag --watch 5
    """
    from worker.commands.lag import print_lag

    print_lag(settings, every_s=every_s, as_json=as_json)
