"""`python -m training`: train by a recipe, fetch the data set, or evaluate an artifact."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from model.engines import load_predictor
from model.errors import ModelError
from training.datasets import read_examples
from training.errors import DatasetError, TrainingError
from training.evaluate import measure
from training.fetch import ACL_IMDB, fetch_imdb
from training.learners import hard_targets
from training.pipeline import Request, predict_all, run
from training.progress import ProgressDisplay
from training.recipes import RECIPES
from training.report import metrics_table

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)


@click.group(invoke_without_command=True)
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), help="What to train.")
@click.option("--data", type=_DIRECTORY, help="Where `fetch` put the data set.")
@click.option("--out", type=_DIRECTORY, help="Where to write checkpoint, artifact and report.")
@click.option("--seed", type=click.IntRange(min=0), help="Of all random choices; the recipe's own by default.")
@click.option("--epochs", type=_POSITIVE, help="At most so many; the recipe's own number by default.")
@click.option("--limit", type=_POSITIVE, help="Use at most so many reviews of each part: for quick trials.")
@click.pass_context
def cli(
    context: click.Context,
    recipe: str | None,
    data: Path | None,
    out: Path | None,
    seed: int | None,
    epochs: int | None,
    limit: int | None,
) -> None:
    """Train a network; the artifact, a report and plots end up in --out.

    A run that was interrupted is continued by the same command, from its last whole epoch.
    """
    if context.invoked_subcommand is not None:
        return
    if recipe is None or data is None or out is None:
        raise click.UsageError("training needs --recipe, --data and --out")
    chosen = RECIPES[recipe]
    chosen = replace(chosen, seed=chosen.seed if seed is None else seed, epochs=epochs or chosen.epochs)
    console = Console()
    report = run(Request(chosen, data, out, limit, _command_line()), console)
    console.print(metrics_table(report.metrics), highlight=False)
    console.print(f"artifact: {out / 'artifact'}\nreport: {out / 'report.md'}", highlight=False)


@cli.command()
@click.option("--out", type=_DIRECTORY, required=True, help="Where the data set shall lie.")
@click.option("--url", default=ACL_IMDB.url, show_default=True, help="A mirror of the published archive.")
def fetch(out: Path, url: str) -> None:
    """Download the Large Movie Review Dataset, check it, and write it as training reads it."""
    fetch_imdb(out, url, ACL_IMDB, Console())


@cli.command()
@click.option("--artifact", type=_DIRECTORY, required=True, help="The directory of a trained model.")
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="A .jsonl or .jsonl.xz file: objects with id, label (0 or 1) and text.",
)
def evaluate(artifact: Path, data: Path) -> None:
    """Print the metrics of an artifact on a labelled file."""
    console = Console()
    rows = [row for row in read_examples(data) if row.label is not None]
    if not rows:
        raise DatasetError(f"{data} holds no labelled review")
    predictor = load_predictor(artifact)
    with ProgressDisplay(console, "scoring", len(rows)) as display:
        probabilities = predict_all(predictor, [row.text for row in rows], display)
    metrics = measure(probabilities, hard_targets(rows))
    console.print(metrics_table({data.name: metrics}), highlight=False)
    console.print(
        f"confusion: {metrics.true_negatives:,} true negatives, {metrics.false_positives:,} false positives, "
        f"{metrics.false_negatives:,} false negatives, {metrics.true_positives:,} true positives\n"
        f"model {predictor.info.name} {predictor.info.version}, {predictor.info.engine}",
        highlight=False,
    )


def main() -> None:
    """Run the command line; errors of ours end it with one line and status 1, Ctrl-C with 130."""
    try:
        cli(prog_name="python -m training", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (TrainingError, ModelError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: the same command continues where the last whole epoch ended", err=True)
        sys.exit(130)


def _command_line() -> str:
    """What was called, for the model card; where this machine keeps its files is nobody's business."""
    arguments = list(sys.argv[1:])
    for place in ("--data", "--out"):
        if place in arguments[:-1]:
            arguments[arguments.index(place) + 1] = "DIR"
    return shlex.join(["python", "-m", "training", *arguments])


if __name__ == "__main__":
    main()
