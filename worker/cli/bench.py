"""`bench`: how fast the engine is on this machine."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from model.predictor import ModelInfo
from worker.cli.options import ENGINE, begin, json_output, setting_flags
from worker.commands.bench.engine import FIGURES, measure_engine
from worker.commands.bench.figures import Spread, spreads
from worker.commands.bench.machine import machine_facts
from worker.commands.bench.texts import made_up_reviews
from worker.commands.review_files import Row, open_input, read_reviews
from worker.errors import SettingsRejected

REVIEWS: Final = 1000


@click.command()
@click.option(
    "--input",
    "source",
    type=click.Path(exists=True, dir_okay=False),
    help="File of reviews to score, as `score` reads it.  [default: made-up ones]",
)
@click.option("--reviews", type=click.IntRange(1, 1_000_000), default=REVIEWS, show_default=True, help="Most reviews.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="How often all is measured.")
@json_output("Print JSON, with what a reader has to know of the machine.")
@setting_flags(*ENGINE)
def bench(*, source: str | None, reviews: int, rounds: int, as_json: bool, **flags: str | None) -> None:
    """Measure how fast the engine is on this machine.

    The tokenizer alone, the engine on word ids and on text, in batches of several sizes, and how long a single review
    takes. Without Kafka.

    \b
    Example:
      sentiment-worker bench --input reviews.jsonl --model runs/mine/artifact
    """
    from worker.scoring.opening import open_predictor

    settings = begin(flags)
    texts = made_up_reviews(reviews) if source is None else _read(source, reviews)
    predictor = open_predictor(settings)
    predictor.warm_up()
    measured = []
    for number in range(1, rounds + 1):
        measured.append(measure_engine(predictor, texts, window=settings.max_inflight_records))
        rate = measured[-1]["engine_text_reviews_per_s"]
        click.echo(f"round {number} of {rounds}: engine on text, {rate:,.0f} reviews/s", err=True)
    show = _show_json if as_json else _show_table
    show(predictor.info, len(texts), spreads(measured))


def _read(source: str, limit: int) -> Sequence[str]:
    with open_input(source) as stream:
        rows = (row for row in read_reviews(stream, "auto", source) if isinstance(row, Row))
        texts = [row.review.text for row in islice(rows, limit)]
    if not texts:
        raise SettingsRejected(f"{source} holds no review that can be read. Give another --input, or none")
    return texts


def _show_json(info: ModelInfo, reviews: int, figures: dict[str, Spread]) -> None:
    document = {
        "machine": machine_facts(),
        "model": asdict(info),
        "reviews": reviews,
        "figures": {name: asdict(spread) for name, spread in figures.items()},
    }
    click.echo(json.dumps(document, indent=1))


def _show_table(info: ModelInfo, reviews: int, figures: dict[str, Spread]) -> None:
    table = Table(f"{reviews:,} reviews", "median (least to greatest)", title=f"{info.name}@{info.version}")
    for name, spread in figures.items():
        table.add_row(FIGURES[name], str(spread))
    Console().print(table, f"engine: {info.engine}", highlight=False)
