"""`score`. Its work: `worker.commands.score`."""

from typing import Any

import click

from worker.cli.options import ENGINE, conclude, file_input, json_output, with_settings
from worker.settings.schema import Settings


@click.command()
@file_input
@click.option("--output", default="-", help="File for the results, JSON lines; - is stdout.")
@click.option(
    "--batch", "chunk_reviews", type=click.IntRange(1, 100_000), default=256, help="Reviews scored at a time."
)
@json_output("Print the summary as JSON: on stdout, or on stderr if stdout has the results.")
@with_settings(*ENGINE)
def score(settings: Settings, *, skip_invalid: bool, **options: Any) -> None:
    """Score a file of reviews, without Kafka.

    Keeps ids and order; a review without an id is named `line-N`. Reports on stderr how many were scored, and how fast.

    \b
    Example:
      sentiment-worker score --input reviews.csv --output scored.jsonl
    """
    from worker.commands.score import score_file

    conclude(score_file(settings, **options), skip_invalid=skip_invalid)
