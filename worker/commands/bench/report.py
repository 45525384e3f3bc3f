"""Measuring the engine round by round, and printing the figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice

import click
from rich.console import Console
from rich.table import Table

from worker.commands.bench.engine import FIGURES, measure_engine
from worker.commands.bench.figures import spreads
from worker.commands.bench.machine import machine_facts
from worker.commands.bench.texts import made_up_reviews
from worker.commands.review_files import ReviewRow, open_input, read_reviews
from worker.errors import SettingsRejected
from worker.scoring.opening import open_predictor
from worker.settings.schema import Settings


def measure(settings: Settings, source: str | None, *, reviews: int, rounds: int, as_json: bool) -> None:
    """Measure the engine on the file `source`, or on made-up reviews if None, and print the figures.

    Raises ModelUnusable, and SettingsRejected if the file has no readable review.
    """
    texts = made_up_reviews(reviews) if source is None else _read(source, reviews)
    predictor = open_predictor(settings)
    predictor.warm_up()
    measured = []
    for number in range(1, rounds + 1):
        measured.append(measure_engine(predictor, texts, window=settings.max_inflight_records))
        rate = measured[-1]["engine_text_reviews_per_s"]
        click.echo(f"round {number} of {rounds}: engine on text, {rate:,.0f} reviews/s", err=True)
    info, figures = predictor.info, spreads(measured)
    if as_json:
        document = {"machine": machine_facts(), "model": info, "reviews": len(texts), "figures": figures}
        click.echo(json.dumps(document, indent=1, default=asdict))
        return
    table = Table(f"{len(texts):,} reviews", "median (least to greatest)", title=f"{info.name}@{info.version}")
    for name, spread in figures.items():
        table.add_row(FIGURES[name], str(spread))
    Console().print(table, f"engine: {info.engine}", highlight=False)


def _read(source: str, limit: int) -> Sequence[str]:
    with open_input(source) as stream:
        rows = (row for row in read_reviews(stream, "auto", source) if isinstance(row, ReviewRow))
        texts = [row.review.text for row in islice(rows, limit)]
    if not texts:
        raise SettingsRejected(f"{source} holds no review that can be read. Give another --input, or leave it out")
    return texts
