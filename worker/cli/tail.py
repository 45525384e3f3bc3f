"""`tail`. Its work: `worker.commands.tail`."""

from typing import Any

import click

from worker.cli.options import CONNECTION, json_output, with_settings
from worker.settings.schema import Settings


@click.command()
@click.option("--topic", help="Topic to read.  [default: the output topic]")
@click.option("--from-beginning", is_flag=True, help="Start with the oldest result instead of the next one.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after this many results.")
@json_output("Print the values unchanged, one JSON object a line.")
@with_settings(*CONNECTION)
def tail(settings: Settings, **options: Any) -> None:
    """Print scored reviews as they arrive.

    Shows time (UTC), sentiment, P(positive), confidence and id, until Ctrl-C. For a dead letter it shows when and why
    it failed, and where it was read. It joins no consumer group, so it commits nothing and takes no partition from
    another consumer.

    \b
    Example:
      sentiment-worker tail --from-beginning --limit 10
      sentiment-worker tail --topic reviews.dlq
    """
    from worker.commands.tail import print_records

    print_records(settings, **options)
