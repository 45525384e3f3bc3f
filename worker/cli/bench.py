"""`bench`. Its work: `worker.commands.bench`."""

from typing import Any

import click

from worker.cli.options import ENGINE, json_output, with_settings
from worker.settings.schema import Settings


@click.command()
@click.option(
    "--input",
    "source",
    type=click.Path(exists=True, dir_okay=False),
    help="File of reviews to score, in the formats of `score`.  [default: made-up reviews]",
)
@click.option("--reviews", type=click.IntRange(1, 1_000_000), default=1000, help="Most reviews.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, help="How many times to measure.")
@json_output("Print JSON, with the facts about the machine.")
@with_settings(*ENGINE)
def bench(settings: Settings, **options: Any) -> None:
    """Measure how fast the engine is on this machine, without Kafka.

    Measures the tokenizer alone, the engine on word ids and on text in batches of several sizes, and the latency of a
    single review.

    \b
    Example:
      sentiment-worker bench --input reviews.jsonl --model runs/mine/artifact
    """
    from worker.commands.bench.report import measure

    measure(settings, **options)
