"""`model inspect`, `verify`, `diff` and `import`. Their work: `worker.commands.model`."""

from pathlib import Path
from typing import Any, Final

import click

from worker.cli.options import ENGINE, conclude, file_input, json_output, with_settings
from worker.settings.schema import Settings

PATH: Final = click.Path(path_type=Path)
HOW: Final = tuple(name for name in ENGINE if name != "model")


@click.group()
def model() -> None:
    """Inspect, verify, compare and import model artifacts.

    \b
    Example:
      sentiment-worker model verify runs/mine/artifact
    """


@model.command()
@click.argument("directory", type=PATH)
@json_output("Print digest and configuration as JSON.")
def inspect(**options: Any) -> None:
    """Print an artifact's digest, its configuration and the head of its card.

    \b
    Example:
      sentiment-worker model inspect runs/mine/artifact
    """
    from worker.commands import model as work

    work.inspect(**options)


@model.command()
@click.argument("directory", type=PATH)
@json_output("Print the findings as JSON.")
@with_settings(*HOW)
def verify(settings: Settings, **options: Any) -> None:
    """Verify an artifact's files, shapes and golden scores.

    Each file must match its sha256, and the shapes must match the configuration. The engine scores the golden reviews
    one at a time and in a batch, and each score must match the artifact's within the tolerance of the engine. Exits
    with status 6 if anything is wrong.

    \b
    Example:
      sentiment-worker model verify runs/mine/artifact && sentiment-worker run --model runs/mine/artifact
    """
    from worker.commands import model as work

    work.verify(settings, **options)


@model.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@file_input
@json_output("Print everything as JSON, with all flips.")
@with_settings(*HOW)
def diff(settings: Settings, *, skip_invalid: bool, **options: Any) -> None:
    """Score a file with two artifacts and print where they differ.

    If reviews have a field `label` (1 or 0, positive or negative), it also prints which artifact is right more often,
    and whether that may be chance (McNemar's exact test).

    \b
    Example:
      sentiment-worker model diff /models/old /models/new --input reviews.jsonl
    """
    from worker.commands import model as work

    conclude(work.diff(settings, **options), skip_invalid=skip_invalid)


@model.command("import")
@click.option("--state-dict", type=PATH, required=True, help="File of network.state_dict().")
@click.option("--vocab", type=PATH, required=True, help="JSON: {word: id}, or words by id.")
@click.option("--out", type=PATH, required=True, help="Directory to write.")
@click.option("--name", default="sentiment-rnn", help="The model's name in every result.")
@click.option("--version", default="1", help="The model's version in every result.")
@click.option("--max-tokens", default=200, type=click.IntRange(1, 100_000), help="Most words read of a review.")
@json_output("Print digest and configuration as JSON.")
def import_notebook(**options: Any) -> None:
    """Make an artifact from the reference notebook's files.

    \b
    Example:
      sentiment-worker model import --state-dict state_dict.pt --vocab vocab.json --out my-model
    """
    from worker.commands import model as work

    work.import_notebook(**options)
