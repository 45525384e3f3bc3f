"""Inspecting, verifying, comparing and importing model artifacts: the `model` commands."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import click
import numpy as np

from model.artifact import Artifact, load_artifact
from model.artifact_parts import config_to_json
from model.comparison import Floats, compare, mcnemar, only_one_right
from model.predictor import Predictor, score_texts
from model.self_test import self_test
from worker.commands.review_files import FileFormat, Progress, ReviewRow, readable
from worker.commands.terminal import echo_json, open_reviews, printable
from worker.errors import ModelUnusable
from worker.scoring.opening import model_unusable, open_predictor
from worker.settings.schema import Settings

CHUNK_REVIEWS: Final = 256
SHOWN_FLIPS: Final = 20
_LABELS: Final = {"1": 1, "positive": 1, "pos": 1, "0": 0, "negative": 0, "neg": 0}


def inspect(directory: Path, *, as_json: bool) -> None:
    """Print an artifact's digest, configuration and the head of its card. Raises ModelUnusable."""
    with model_unusable():
        artifact = load_artifact(directory)
    _print_artifact(artifact, as_json=as_json)


def verify(settings: Settings, directory: Path, *, as_json: bool) -> None:
    """Load an artifact into the engine of the settings, score its golden reviews and print the largest difference.

    Raises ModelUnusable if a file or a score is wrong.
    """
    predictor = open_predictor(settings, directory)
    with model_unusable():
        difference = self_test(predictor)
    info = predictor.info
    if as_json:
        echo_json({**asdict(info), "difference": difference})
        return
    click.echo(f"{info.name} {info.version}: every file matches the manifest (sha256 {info.sha256})")
    click.echo(f"{info.engine}: the golden reviews are off by {difference:.1g}, {info.tolerance:.1g} is allowed")


def import_notebook(
    state_dict: Path, vocab: Path, out: Path, *, name: str, version: str, max_tokens: int, as_json: bool
) -> None:
    """Make an artifact from the reference notebook's files and print it. Raises ModelUnusable."""
    try:
        from model import notebook
    except ModuleNotFoundError as exc:
        raise ModelUnusable(f"{exc.name} is not installed: `pip install 'sentiment-worker[torch]'`") from exc

    with model_unusable():
        artifact = notebook.import_notebook(state_dict, vocab, out, name=name, version=version, max_tokens=max_tokens)
    _print_artifact(artifact, as_json=as_json)


def _print_artifact(artifact: Artifact, *, as_json: bool) -> None:
    config = config_to_json(artifact.config)
    if as_json:
        echo_json({"directory": str(artifact.directory), "sha256": artifact.sha256, "config": config})
        return
    summary = artifact.card.split("\n## ")[0].strip()
    click.echo(f"{artifact.directory}\nsha256 {artifact.sha256}\n{json.dumps(config, indent=2)}\n\n{summary}")


@dataclass(frozen=True, slots=True)
class Flip:
    """A review to which the models give different sentiments."""

    review_id: str
    first: float  # P(positive)
    second: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Which model is right more often, among the reviews with a label."""

    labelled: int
    only_first: int  # right where the other is wrong
    only_second: int
    p: float  # see `mcnemar`


@dataclass(frozen=True, slots=True)
class Difference:
    """How two models differ on one file of reviews, as `--json` prints it."""

    reviews: int
    agreement: float  # share of the reviews with the same sentiment
    mean_difference: float  # of P(positive)
    max_difference: float
    flips: tuple[Flip, ...]  # the largest difference first
    labels: Judgement | None  # None if no review has a label


def diff(settings: Settings, first: Path, second: Path, source: str, file_format: FileFormat, *, as_json: bool) -> int:
    """Score the file `source` (`-`: stdin) with two artifacts, in the engine of the settings; print where they differ.

    Returns how many rows failed. Raises ModelUnusable, SettingsRejected.
    """
    models = open_predictor(settings, first), open_predictor(settings, second)
    with open_reviews(source, file_format, "Scoring") as (rows, progress):
        found = compare_rows(readable(rows, progress), models, progress)
    if as_json:
        echo_json(asdict(found))
    else:
        _print_difference(found)
    return progress.failed


def compare_rows(rows: Iterator[ReviewRow], models: tuple[Predictor, Predictor], progress: Progress) -> Difference:
    """Score every row with both models. A field `label` (1, 0, positive, negative) says what is right.

    Raises ModelUnusable if one of them cannot score.
    """
    ids: list[str] = []
    labels: list[float] = []  # 0 or 1, or NaN if the row has no label or an unknown one
    scores: list[Floats] = [np.empty((2, 0))]  # (2, B): P(positive) by each model
    while chunk := list(islice(rows, CHUNK_REVIEWS)):
        ids += [row.review.review_id or f"line-{row.line}" for row in chunk]
        labels += [_LABELS.get(str(json.loads(row.value).get("label")).lower(), np.nan) for row in chunk]
        texts = [row.review.text for row in chunk]
        with model_unusable():
            scores.append(np.stack([score_texts(model, texts).probabilities.astype(np.float64) for model in models]))
        progress.advance(len(chunk))
    first, second = np.concatenate(scores, axis=1)
    found = compare(first, second)
    flips = tuple(Flip(ids[row], float(first[row]), float(second[row])) for row in found.flips)
    judgement = _judgement(np.array(labels), first, second)
    return Difference(found.count, found.agreement, found.mean_difference, found.max_difference, flips, judgement)


def _judgement(labels: Floats, first: Floats, second: Floats) -> Judgement | None:
    known = ~np.isnan(labels)
    if not known.any():
        return None
    wins = only_one_right(first[known], second[known], labels[known])
    return Judgement(int(known.sum()), *wins, p=mcnemar(*wins))


def _print_difference(found: Difference) -> None:
    click.echo(f"{found.reviews} reviews, the same sentiment for {found.agreement:.2%}")
    click.echo(f"P(positive) differs by {found.mean_difference:.4f} in the mean, {found.max_difference:.4f} at most")
    for flip in found.flips[:SHOWN_FLIPS]:
        click.echo(f"  {printable(flip.review_id)}: {flip.first:.3f} and {flip.second:.3f}")
    if len(found.flips) > SHOWN_FLIPS:
        click.echo(f"  and {len(found.flips) - SHOWN_FLIPS} more; --json shows all")
    if labels := found.labels:
        wins = f"the first {labels.only_first} times, the second {labels.only_second} times"
        click.echo(f"of {labels.labelled} with a label, right where the other is wrong: {wins} (p = {labels.p:.2g})")
