"""The command line of training: train by a recipe, fetch the data sets, make expert opinions, evaluate artifacts."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from model.engines import load_predictor
from model.errors import ModelError
from model.predictor import Predictor
from training.analysis import Scores, comparison, evaluation, score_reviews
from training.datasets import Example, read_examples
from training.errors import DatasetError, OutputError, TrainingError
from training.expert.teach import collect_opinions, examine, make_expert
from training.fetch import ACL_IMDB, FDU_MTL_URL, fdu_mtl, fetch_domains, fetch_imdb
from training.learners import training_device
from training.pipeline import Request, read_splits, run
from training.progress import new_console, showing
from training.recipes import INGREDIENTS, NOT_IN_NOTEBOOK, RECIPES, ExpertRecipe, ProductionRecipe
from training.suite import PAIRS, pairs_by_kind, read_suite, suite_shares
from training.tables import kinds_table, metrics_table, suite_table

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)
_LIMIT = click.option("--limit", type=_POSITIVE, help="Use at most this many reviews of each part, for quick trials.")
_ARTIFACT = click.option("--artifact", type=_DIRECTORY, required=True, help="The directory of a trained model.")
_LABELLED_FILE = click.option(
    "--data", type=_FILE, required=True, help="A .jsonl or .jsonl.xz file: objects with id, label (0 or 1) and text."
)
_CONTINUES = {  # after Ctrl-C; other commands start again
    None: "the same command continues after the last whole epoch",
    "fetch": "the same command continues",
}


class _Interrupted(click.ClickException):
    exit_code = INTERRUPTED


class _CommandLine(click.Group):
    """A group that reports every expected error in one line; an unexpected one keeps its traceback."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run and end the process: status 0, 1 after an error, 2 for wrong options, 130 after Ctrl-C."""
        try:
            super().main(*args, **(extra | {"standalone_mode": False}))
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else self.name
            _end(f"error: {error.format_message().rstrip('.')}: see `{path} --help`", error.exit_code)
        except _Interrupted as error:
            _end(f"interrupted: {error.message}", error.exit_code)
        except click.ClickException as error:
            _end(f"error: {error.message}", error.exit_code)
        except click.Abort:  # Ctrl-C before a command started
            _end("interrupted: nothing was started", INTERRUPTED)
        sys.exit(0)

    def invoke(self, ctx: click.Context) -> Any:
        """Turn our errors and Ctrl-C into click's, before click handles Ctrl-C in its own way."""
        try:
            return super().invoke(ctx)
        except (TrainingError, ModelError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise _Interrupted(_CONTINUES.get(ctx.invoked_subcommand, "the same command starts again")) from None


def _end(message: str, status: int) -> NoReturn:
    click.echo(" ".join(message.split()), err=True)  # a library's message may have several lines
    sys.exit(status)


@click.group(cls=_CommandLine, invoke_without_command=True)
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), help="What to train.")
@click.option("--data", type=_DIRECTORY, help="The directory that `fetch` wrote.")
@click.option("--out", type=_DIRECTORY, help="Where to write checkpoint, artifact and report.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all random choices. Default: the recipe's.")
@click.option("--epochs", type=_POSITIVE, help="Number of epochs. Default: the recipe's.")
@click.option(
    "--without",
    type=click.Choice(INGREDIENTS),
    multiple=True,
    help="Leave out an ingredient of the production recipe; repeatable.",
)
@click.option(
    "--notebook-split", is_flag=True, help="Learn only from the notebook's 20,000 reviews, as `reference` does."
)
@_LIMIT
@click.option("--opinions", type=_FILE, help="The file that `teach` wrote. Default: the opinions in the package.")
@click.pass_context
def cli(
    context: click.Context,
    recipe: str | None,
    data: Path | None,
    out: Path | None,
    seed: int | None,
    epochs: int | None,
    without: tuple[str, ...],
    notebook_split: bool,
    limit: int | None,
    opinions: Path | None,
) -> None:
    """Train a network and write the artifact, a report and plots to --out.

    The same command continues an interrupted run after its last whole epoch.
    """
    if context.invoked_subcommand is not None:
        return
    if recipe is None or data is None or out is None:
        raise click.UsageError("training needs --recipe, --data and --out")
    chosen = RECIPES[recipe]
    if without or notebook_split:
        if not isinstance(chosen, ProductionRecipe):
            raise click.UsageError("--without and --notebook-split are for the production recipe")
        chosen = chosen.without(*without, *(NOT_IN_NOTEBOOK if notebook_split else ()))
    if opinions and not (isinstance(chosen, ProductionRecipe) and chosen.has("expert")):
        raise click.UsageError("--opinions needs a recipe with an expert, and this training has none")
    chosen = replace(chosen, seed=chosen.seed if seed is None else seed, epochs=epochs or chosen.epochs)
    console = new_console()
    command = _command(recipe, without, notebook_split, opinions, seed=seed, epochs=epochs, limit=limit)
    report = run(Request(chosen, data, out, limit, command, notebook_split, opinions), console)
    console.print(metrics_table(report.metrics))
    console.print(f"artifact: {out / 'artifact'}\nreport: {out / 'report.md'}")


@cli.command()
@click.option("--out", type=_DIRECTORY, required=True, help="Where to write the data sets.")
@click.option("--url", default=ACL_IMDB.url, show_default=True, help="A mirror of the published archive.")
@click.option("--domains-url", default=FDU_MTL_URL, show_default=True, help="A mirror of FDU-MTL's directory.")
@click.option("--films-only", is_flag=True, help="Leave FDU-MTL out.")
def fetch(out: Path, url: str, domains_url: str, films_only: bool) -> None:
    """Download film reviews (the Large Movie Review Dataset) and reviews of other goods (FDU-MTL).

    Both are checked against their published digests and converted to the files that training reads.
    """
    console = new_console()
    fetch_imdb(out, url, ACL_IMDB, console)
    if not films_only:
        fetch_domains(out, domains_url, fdu_mtl(), console)


@cli.command()
@click.option("--data", type=_DIRECTORY, required=True, help="The directory that `fetch` wrote.")
@click.option("--checkpoint", type=_DIRECTORY, required=True, help="all-MiniLM-L6-v2, or another BERT, unpacked.")
@click.option("--out", type=_FILE, required=True, help="Where to write the opinions.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of all random choices.")
@_LIMIT
def teach(data: Path, checkpoint: Path, out: Path, seed: int, limit: int | None) -> None:
    """Fine-tune a pretrained transformer and write its opinions of the unlabelled reviews.

    Takes minutes on a GPU, and days without one. The production recipe learns from the file.
    """
    if not os.access(out.parent, os.W_OK):
        raise OutputError(f"cannot write {out}: {out.parent} is not a writable directory; choose another --out")
    console, production = new_console(), ProductionRecipe()
    splits = read_splits(Request(production, data, out, limit, command=""))
    reader = make_expert(ExpertRecipe(), splits, checkpoint, training_device(), seed, console)
    scores = examine(reader, splits)
    metrics = metrics_table({name: one.metrics for name, one in scores.items()})
    console.print(f"{metrics}\n\n{suite_table(suite_shares(scores))}")
    collect_opinions(reader, splits, production, console).save(out)
    console.print(f"opinions: {out}")


@cli.command()
@_ARTIFACT
@_LABELLED_FILE
def evaluate(artifact: Path, data: Path) -> None:
    """Print an artifact's metrics on a labelled file: overall, by length, by probability, and its surest errors."""
    rows = _labelled(data)
    predictor = load_predictor(artifact)
    scores = _score(predictor, rows)
    new_console().print(f"{evaluation(data.name, scores)}\n\n{_named(predictor)}, {predictor.info.engine}")


@cli.command()
@_ARTIFACT
def suite(artifact: Path) -> None:
    """Print an artifact's results on the dev suite: sentences, negations, and opposites by kind."""
    predictor = load_predictor(artifact)
    scores = {name: _score(predictor, rows) for name, rows in read_suite().items()}
    metrics = metrics_table({name: one.metrics for name, one in scores.items()})
    tables = [metrics, suite_table(suite_shares(scores)), kinds_table(pairs_by_kind(scores[PAIRS]))]
    new_console().print("\n\n".join([*tables, _named(predictor)]))


@cli.command()
@click.argument("artifacts", type=_DIRECTORY, nargs=2)
@_LABELLED_FILE
def compare(artifacts: tuple[Path, Path], data: Path) -> None:
    """Compare two artifacts on a labelled file: is one better, and on which reviews do they differ?"""
    rows = _labelled(data)
    predictors = [load_predictor(artifact) for artifact in artifacts]
    first, second = (_score(predictor, rows) for predictor in predictors)
    names = (f"A ({_named(predictors[0])})", f"B ({_named(predictors[1])})")
    new_console().print(comparison(data.name, names, (first, second)))


def _labelled(data: Path) -> list[Example]:
    rows = [row for row in read_examples(data) if row.label is not None]
    if not rows:
        raise DatasetError(f"{data} holds no labelled review: give --data a file whose reviews have the label 0 or 1")
    return rows


def _score(predictor: Predictor, rows: Sequence[Example]) -> Scores:
    with showing(new_console(stderr=True), "scoring", len(rows)) as show:
        return score_reviews(predictor, rows, show)


def _named(predictor: Predictor) -> str:
    return f"{predictor.info.name} {predictor.info.version}"


def _command(
    recipe: str, without: tuple[str, ...], notebook_split: bool, opinions: Path | None, **options: int | None
) -> str:
    """The command for the model card, without the paths of this machine."""
    given = [word for name in without for word in ("--without", name)]
    given += ["--notebook-split"] if notebook_split else []
    given += ["--opinions", "FILE"] if opinions else []
    given += [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["python", "-m", "training", "--recipe", recipe, "--data", "DIR", "--out", "DIR", *given])
