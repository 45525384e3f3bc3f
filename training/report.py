"""The report of a finished run (report.json, report.md and plots) and the artifact's model card."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from model.artifact import Calibration
from training.analysis import Scores, by_length, by_length_table, worst_errors
from training.evaluate import ClassificationMetrics, reliability
from training.fetch import CITATION, DOMAINS_CITATION
from training.tables import confusion_table, markdown_table, metrics_note, metrics_table, suite_table
from training.train import EpochResult

LEARNING_CURVE = "learning_curve.png"
RELIABILITY = "reliability.png"
ROC = "roc.png"
LENGTH = "accuracy_by_length.png"

_CARD = """\
# Model card: {recipe} recipe

P(positive) of an English review. Trained {created} with `{command}`
({run}).

## Metrics

{metrics}

{note}

{suite}

The dev set chose the epoch and fitted the calibration, so its figures are slightly too good. The official test
was scored once, by this artifact. "Without duplicates" leaves out the test reviews whose text is also in the data
set's train part; none of those texts was used for training.

## Training data

Large Movie Review Dataset v1.0: {citation}
{domains}
Learned from: {sources}
The vocabulary comes from these reviews alone. Labels come from star ratings: 1-4 negative, 7-10 positive; ratings
between them occur in no labelled set.

Left out, each with its number of reviews: {excluded}. "Kept out" are the originals of published contrast and
counterfactual sets (Gardner et al. 2020; Kaushik et al. 2020), so that those sets can test this model.

## Limits

- English reviews of 2011 and before. The calibration was fitted on film reviews: the table says how far it holds
  elsewhere. Single sentences score less well than whole reviews, and unfamiliar turns of phrase least of all.
- Other languages and gibberish are recognised by their share of unknown words, which draws the score towards 0.5.
  A language that shares its words with English is not recognised. The reference network recognises none.
- The model never saw neutral opinions: expect middling probabilities, not a third class.
- Sarcasm, comparisons with other films and long retellings of plots mislead it.
- It reads words, not intent, and may have learned to judge names, peoples or genres by the films they occur in.
  Do not use it to decide about people.

## Licence of the data

The data set is published for research with the request to cite it; the reviews belong to their authors. The
artifact holds weights and a list of single words, no review.
"""


@dataclass(frozen=True, slots=True)
class Report:
    """The facts of one run, as JSON values or dataclasses of them."""

    created: str  # RFC 3339
    command: str
    recipe: dict[str, Any]
    reviews: dict[str, int]  # use -> number of reviews
    excluded: dict[str, int]  # reason -> number of reviews of the training files excluded for it
    history: tuple[EpochResult, ...]
    chosen_epoch: int
    calibration: Calibration
    dev_accuracy_before_storage: float  # of the fp32 weights, before they are rounded to the stored type
    metrics: dict[str, ClassificationMetrics]  # labelled set -> metrics of the artifact in fp32
    suite: dict[str, float]  # results of the dev suite, each a share
    parameters: int
    artifact_bytes: int
    training_duration_s: float
    environment: dict[str, str]


def write_report(directory: Path, report: Report, official: Scores) -> None:
    """Write report.json, report.md and the plots; `official` holds the scores of the official test."""
    directory.mkdir(parents=True, exist_ok=True)
    document = json.dumps(asdict(report), indent=2) + "\n"
    (directory / "report.json").write_text(document, "utf-8")
    (directory / "report.md").write_text(render_report(report, official), "utf-8")
    with mpl.rc_context({"figure.dpi": 120, "axes.grid": True, "grid.alpha": 0.3}):
        _plot_learning_curve(report).savefig(directory / LEARNING_CURVE)
        _plot_reliability(official).savefig(directory / RELIABILITY)
        _plot_roc(official).savefig(directory / ROC)
        _plot_length(official).savefig(directory / LENGTH)


def render_report(report: Report, official: Scores) -> str:
    """The report as Markdown; `official` holds the scores of the official test."""
    history = (
        [str(e.epoch), *(f"{x:.4f}" for x in (e.train_loss, e.dev_accuracy, e.dev_log_loss)), f"{e.duration_s:.0f}"]
        for e in report.history
    )
    fitted = report.calibration
    sections = [
        f"# Training report: {report.recipe['name']} recipe",
        f"`{report.command}`, {report.created}",
        "## Metrics",
        metrics_table(report.metrics),
        metrics_note(),
        "## Dev suite",
        suite_table(report.suite),
        "## Confusion",
        *(confusion_table(name, metrics) for name, metrics in report.metrics.items()),
        "## Learning curve",
        f"Epoch {report.chosen_epoch} was chosen on the dev set.",
        markdown_table(["epoch", "train loss", "dev accuracy", "dev log-loss", "duration (s)"], history),
        f"![learning curve]({LEARNING_CURVE})",
        "## Calibration",
        f"probability = sigmoid(logit / {fitted.temperature:.4f} + {fitted.bias:.4f}); 1 and 0: not calibrated.",
        f"![reliability]({RELIABILITY})",
        "## The official test in detail",
        f"![ROC]({ROC})",
        by_length_table(official),
        f"![accuracy by length]({LENGTH})",
        "Errors worth reading, the surest first:",
        worst_errors(official),
        "## Sizes and time",
        markdown_table(["what", "value"], _sizes(report)),
        "## Reviews",
        markdown_table(["used for", "reviews"], ([why, f"{n:,}"] for why, n in report.reviews.items())),
        markdown_table(["left out because", "reviews"], ([why, f"{n:,}"] for why, n in report.excluded.items())),
        "## Recipe",
        markdown_table(["setting", "value"], ([key, str(value)] for key, value in report.recipe.items())),
    ]
    return "\n\n".join(sections) + "\n"


def render_model_card(report: Report) -> str:
    """The model card of the artifact, as Markdown."""
    has_domains = "domains" in report.recipe.get("ingredients", ())
    return _CARD.format(
        recipe=report.recipe["name"],
        created=report.created,
        command=report.command,
        run=f"seed {report.recipe['seed']}, epoch {report.chosen_epoch} of {len(report.history)}, "
        f"{report.training_duration_s / 60:.0f} minutes, {report.parameters:,} parameters",
        metrics=metrics_table(report.metrics),
        note=metrics_note(),
        suite=suite_table(report.suite),
        citation=CITATION,
        domains=f"FDU-MTL, ten of its domains: {DOMAINS_CITATION}\n" if has_domains else "",
        sources=_sources(report),
        excluded="; ".join(f"{why}: {n:,}" for why, n in report.excluded.items()),
    )


def _sources(report: Report) -> str:
    reviews, ingredients = report.reviews, report.recipe.get("ingredients", ())
    sources = f"{reviews['train']:,} labelled reviews"
    if {"sentences", "opposites", "phrases"} & {*ingredients}:
        sources += ", short texts that\nwere made from them or written for this"
    if reviews["unlabelled"] and "unlabelled" in ingredients:
        expert = " and an expert (a pretrained transformer)" if "expert" in ingredients else ""
        sources += (
            f", and {reviews['unlabelled']:,} reviews\nthat were labelled by a linear model (NB-SVM on 1- to 3-grams)"
            f"{expert}, fitted on the same labelled reviews"
        )
    return f"{sources}."


def _sizes(report: Report) -> Iterator[list[str]]:
    yield ["parameters", f"{report.parameters:,}"]
    yield ["artifact (bytes)", f"{report.artifact_bytes:,}"]
    yield ["training (s)", f"{report.training_duration_s:.0f}"]
    yield ["dev accuracy before the weights were rounded", f"{report.dev_accuracy_before_storage:.4f}"]
    for name, value in report.environment.items():
        yield [name, value]


def _plot_learning_curve(report: Report) -> Figure:
    epochs = [line.epoch for line in report.history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [line.train_loss for line in report.history], "o-", label="train")
    left.plot(epochs, [line.dev_log_loss for line in report.history], "s-", label="dev, calibrated")
    left.set(xlabel="epoch", ylabel="loss", xticks=epochs)
    left.legend()
    right.plot(epochs, [line.dev_accuracy for line in report.history], "s-")
    right.axvline(report.chosen_epoch, linestyle=":", color="grey")
    right.set(xlabel="epoch", ylabel="dev accuracy", xticks=epochs)
    return figure


def _plot_reliability(scores: Scores) -> Figure:
    counts, mean, fraction = reliability(scores.probabilities, scores.labels)
    figure, axes = _unit_square("P(positive)", "fraction positive, official test")
    axes.scatter(mean, fraction, s=10 + 200 * counts / counts.max())
    return figure


def _plot_roc(scores: Scores) -> Figure:
    false_positives, true_positives, _ = roc_curve(scores.labels, scores.probabilities, drop_intermediate=False)
    figure, axes = _unit_square("negatives scored positive", "positives scored positive")
    axes.plot(false_positives, true_positives)
    return figure


def _unit_square(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """A plot of two shares, with the diagonal."""
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    return figure, axes


def _plot_length(scores: Scores) -> Figure:
    found = by_length(scores)
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot(list(found), [m.accuracy for m in found.values()], "s-")
    axes.set(xlabel="words read", ylabel="accuracy, official test")
    return figure
