"""`model`: artifacts, looked at, checked, compared and made."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import ENGINE, begin, conclude, echo_json, file_input, json_output, setting_flags, teller
from worker.commands.review_files import FileFormat, open_input, read_reviews
from worker.commands.terminal import printable, progress_bar
from worker.errors import ModelUnusable

if TYPE_CHECKING:
    from model.artifact import Artifact
    from worker.commands.model import Difference

DIRECTORY: Final = click.Path(path_type=Path)
HOW: Final = tuple(name for name in ENGINE if name != "model")
SHOWN: Final = 20  # flips


@click.group()
def model() -> None:
    """Look at model artifacts, check, compare and make them.

    \b
    Example:
      sentiment-worker model verify runs/mine/artifact
    """


@model.command()
@click.argument("directory", type=DIRECTORY)
@json_output("Print digest and configuration as JSON.")
def inspect(*, directory: Path, as_json: bool) -> None:
    """Print what an artifact is: digest, configuration and the head of its card.

    \b
    Example:
      sentiment-worker model inspect runs/mine/artifact
    """
    from model.artifact import load_artifact

    with _usable():
        _show(load_artifact(directory), as_json=as_json)


@model.command()
@click.argument("directory", type=DIRECTORY)
@json_output("Print what was found as JSON.")
@setting_flags(*HOW)
def verify(*, directory: Path, as_json: bool, **flags: str | None) -> None:
    """Check an artifact: every file against its sha256, shapes against the configuration, scores of its golden reviews.

    The engine scores these alone and in company, and must find what the artifact says, within its tolerance. Ends with
    status 6 where something is wrong.

    \b
    Example:
      sentiment-worker model verify runs/mine/artifact && sentiment-worker run --model runs/mine/artifact
    """
    from model.self_test import self_test
    from worker.scoring.opening import open_predictor

    predictor = open_predictor(begin(flags | {"model": str(directory)}))
    with _usable():
        difference = self_test(predictor)
    info = predictor.info
    if as_json:
        echo_json({**asdict(info), "difference": difference})
        return
    click.echo(f"{info.name} {info.version}: every file is as the manifest says (sha256 {info.sha256})")
    click.echo(f"{info.engine}: the golden reviews are off by {difference:.1g}, {info.tolerance:.1g} is allowed")


@model.command()
@click.argument("first", type=DIRECTORY)
@click.argument("second", type=DIRECTORY)
@file_input
@json_output("Print all of it as JSON, every flip included.")
@setting_flags(*HOW)
def diff(
    *,
    first: Path,
    second: Path,
    source: str,
    file_format: FileFormat,
    skip_invalid: bool,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Score a file with two artifacts and print where they differ.

    With a field `label` (1 or 0, positive or negative) it also says which is right more often, and whether that may be
    chance (McNemar's exact test).

    \b
    Example:
      sentiment-worker model diff /models/old /models/new --input reviews.jsonl
    """
    from worker.commands import model as model_diff
    from worker.scoring.opening import open_predictor

    models = tuple(open_predictor(begin(flags | {"model": str(each)})) for each in (first, second))
    failed = 0
    with open_input(source) as stream, progress_bar("Scoring", stream) as bar:
        tell = teller(bar, source)

        def fail(row: Any) -> None:
            nonlocal failed
            failed += 1
            tell(row)

        found = model_diff.diff(
            read_reviews(stream, file_format, source),
            (models[0], models[1]),
            on_failure=fail,
            on_progress=bar.advance,
        )
    if as_json:
        echo_json(_document(found))
    else:
        _tell(found)
    conclude(failed, skip_invalid=skip_invalid)


def _document(found: "Difference") -> dict[str, object]:
    comparison, judgement = found.comparison, found.judgement
    return {
        "reviews": comparison.count,
        "agreement": comparison.agreement,
        "mean_difference": comparison.mean_difference,
        "max_difference": comparison.max_difference,
        "flips": [asdict(flip) for flip in found.flips],
        "labels": None if judgement is None else asdict(judgement) | {"p": judgement.p},
    }


def _tell(found: "Difference") -> None:
    comparison, judgement = found.comparison, found.judgement
    click.echo(f"{comparison.count} reviews, the same sentiment for {comparison.agreement:.2%}")
    click.echo(
        f"P(positive) differs by {comparison.mean_difference:.4f} in the mean, {comparison.max_difference:.4f} at most"
    )
    for flip in found.flips[:SHOWN]:
        click.echo(f"  {printable(flip.review_id)}: {flip.first:.3f} and {flip.second:.3f}")
    if len(found.flips) > SHOWN:
        click.echo(f"  and {len(found.flips) - SHOWN} more; --json shows all")
    if judgement is not None:
        wins = f"the first {judgement.only_first} times, the second {judgement.only_second} times"
        click.echo(
            f"of {judgement.labelled} with a label, right where the other is wrong: {wins} (p = {judgement.p:.2g})"
        )


@model.command("import")
@click.option("--state-dict", type=DIRECTORY, required=True, help="File of network.state_dict().")
@click.option("--vocab", type=DIRECTORY, required=True, help="JSON: {word: id}, or words by id.")
@click.option("--out", type=DIRECTORY, required=True, help="Directory to write.")
@click.option("--name", default="sentiment-rnn", show_default=True, help="The model's name in every result.")
@click.option("--version", default="1", show_default=True, help="The model's version in every result.")
@click.option("--max-tokens", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Words read.")
@json_output("Print digest and configuration as JSON.")
def import_notebook(
    *, state_dict: Path, vocab: Path, out: Path, name: str, version: str, max_tokens: int, as_json: bool
) -> None:
    """Make an artifact of the reference notebook's files.

    \b
    Example:
      sentiment-worker model import --state-dict state_dict.pt --vocab vocab.json --out my-model
    """
    try:
        from model import notebook
    except ModuleNotFoundError as exc:
        raise ModelUnusable(f"{exc.name} is not installed: `pip install 'sentiment-worker[torch]'`") from exc

    with _usable():
        artifact = notebook.import_notebook(state_dict, vocab, out, name=name, version=version, max_tokens=max_tokens)
    _show(artifact, as_json=as_json)


@contextmanager
def _usable() -> Iterator[None]:
    """Raise what the model room complains of as ours, for the status that it ends with."""
    from model.errors import ModelError

    try:
        yield
    except ModelError as exc:
        raise ModelUnusable(str(exc)) from exc


def _show(artifact: "Artifact", *, as_json: bool) -> None:
    from model.artifact_parts import config_to_json

    config = config_to_json(artifact.config)
    if as_json:
        echo_json({"directory": str(artifact.directory), "sha256": artifact.sha256, "config": config})
        return
    summary = artifact.card.split("\n## ")[0].strip()
    click.echo(f"{artifact.directory}\nsha256 {artifact.sha256}\n{json.dumps(config, indent=2)}\n\n{summary}")
