"""`topics`. Its work: `worker.commands.topics`."""

import click

from worker.cli.options import CONNECTION, json_output, with_settings
from worker.settings.schema import Settings


@click.command()
@click.option("--partitions", type=click.IntRange(1, 10_000), default=4, help="Partitions of each new topic.")
@json_output("Print names and partition counts as JSON.")
@with_settings("input_topic", "output_topic", "dlq_topic", *CONNECTION)
def topics(settings: Settings, *, partitions: int, as_json: bool) -> None:
    """Create those of the three topics that are missing.

    Replication and retention are the broker's defaults. The dead-letter topic takes messages of up to 16 MiB. For
    anything else use Kafka's tools.

    \b
    Example:
      sentiment-worker topics --partitions 12
    """
    from worker.commands.topics import create

    create(settings, partitions=partitions, as_json=as_json)
