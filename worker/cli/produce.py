"""`produce`. Its work: `worker.commands.produce`."""

from typing import Any

import click

from worker.cli.options import CONNECTION, conclude, file_input, json_output, with_settings
from worker.settings.schema import Settings


@click.command()
@file_input
@click.option("--topic", help="Topic to publish to.  [default: the input topic]")
@click.option("--rate", "rate_per_s", type=click.FloatRange(min=0, min_open=True), help="Most reviews per second.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after this many reviews.")
@click.option("--key-field", default="review_id", help="Field that becomes the record's key.")
@json_output("Print the summary as JSON.")
@with_settings("client", *CONNECTION)
def produce(settings: Settings, *, skip_invalid: bool, **options: Any) -> None:
    """Publish a file of reviews to Kafka.

    Exits when the broker has accepted or rejected every record. JSON lines are published unchanged. Each review is
    stored at least once: if the broker rejects one, others may be stored twice.

    \b
    Example:
      sentiment-worker produce --input reviews.jsonl --rate 200
    """
    from worker.commands.produce import publish_file

    conclude(publish_file(settings, **options), skip_invalid=skip_invalid)
