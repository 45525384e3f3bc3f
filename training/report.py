"""The report of a finished run: report.json for programs, report.md and plots for people, and the model card."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.artifact import Calibration
from training.analysis import Scores, by_length, by_length_table, worst_errors
from training.datasets import DOMAINS_CITATION
from training.evaluate import Metrics, reliability, roc_curve
from training.fetch import CITATION
from training.tables import confusion_table, markdown_table, metrics_note, metrics_table, suite_table
from training.train import EpochResult

LEARNING_CURVE = "learning_curve.png"
RELIABILITY = "reliability.png"
ROC = "roc.png"
LENGTH = "accuracy_by_length.png"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is worth knowing of one run, as JSON values or dataclasses of them."""

    created: str  # RFC 3339
    command: str
    recipe: dict[str, Any]
    reviews: dict[str, int]  # what for -> how many
    excluded: dict[str, int]  # why -> how many reviews of the training files were not learned from
    history: tuple[EpochResult, ...]
    chosen_epoch: int
    calibration: Calibration
    dev_accuracy_before_storage: float  # of the fp32 weights, before they are rounded to the stored type
    metrics: dict[str, Metrics]  # labelled set -> scores of the artifact, through its fp32 predictor
    suite: dict[str, float]  # what the dev suite comes to, each a share
    parameters: int
    artifact_bytes: int
    training_duration_s: float
    environment: dict[str, str]


def write_report(directory: Path, report: Report, official: Scores) -> None:
    """Write report.json, report.md and the plots; `official` is what the official test's reviews got."""
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
    """The report as Markdown."""
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
        markdown_table(
            ["epoch", "train loss", "dev accuracy", "dev log-loss", "duration (s)"],
            (
                [
                    str(e.epoch),
                    f"{e.train_loss:.4f}",
                    f"{e.dev_accuracy:.4f}",
                    f"{e.dev_log_loss:.4f}",
                    f"{e.duration_s:.0f}",
                ]
                for e in report.history
            ),
        ),
        f"![learning curve]({LEARNING_CURVE})",
        "## Calibration",
        _calibration_note(report.calibration),
        f"![reliability]({RELIABILITY})",
        "## The official test, closer",
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
    """The card that travels with the artifact."""
    excluded = "; ".join(f"{why}: {n:,}" for why, n in report.excluded.items())
    run = (
        f"seed {report.recipe['seed']}, epoch {report.chosen_epoch} of {len(report.history)}, "
        f"{report.training_duration_s / 60:.0f} minutes, {report.parameters:,} parameters"
    )
    return f"""\
# Model card: {report.recipe["name"]} recipe

P(positive) of an English review. Trained {report.created} with `{report.command}`
({run}).

## Metrics

{metrics_table(report.metrics)}

{metrics_note()}

{suite_table(report.suite)}

The dev set chose the epoch and fitted the calibration, so its figures are a little too good. The official test
was scored once, by this artifact. "Without duplicates" leaves out the test reviews whose text also stands in the
data set's train part; none of those texts was learned from.

## Training data

Large Movie Review Dataset v1.0: {CITATION}
{_other_data(report.recipe)}
Learned from: {_sources(report)}
The vocabulary comes from these reviews alone. Labels come from star ratings: 1-4 negative, 7-10 positive; ratings
between them occur in no labelled set.

Left out, each with its number of reviews: {excluded}. "Kept out" are the originals of published contrast and
counterfactual sets (Gardner et al. 2020; Kaushik et al. 2020), so that those sets can test this model.

## Limits

- English reviews of 2011 and before. The calibration was fitted on film reviews: the table says how far it holds
  elsewhere. Single sentences score less well than whole reviews, turns of phrase that it has not met least of all.
- Other languages and gibberish are told by the share of words that the vocabulary lacks, and draw the score towards
  0.5. Another language that shares its words with English slips through, and the reference network tells nothing.
- Neutral opinions were never seen: expect middling probabilities, not a third class.
- Sarcasm, comparisons with other films and long retellings of plots mislead it.
- It reads words, not intent, and may have learned to judge names, peoples or genres by the films they occur in.
  Do not use it to decide about people.

## Licence of the data

The data set is published for research with the request to cite it; the reviews belong to their authors. The
artifact holds weights and a list of single words, no review.
"""


def _other_data(recipe: dict[str, Any]) -> str:
    if "domains" not in recipe.get("ingredients", ()):
        return ""
    return f"FDU-MTL, ten of its domains: {DOMAINS_CITATION}\n"


def _sources(report: Report) -> str:
    reviews, ingredients = report.reviews, report.recipe.get("ingredients", ())
    sources = f"{reviews['train']:,} labelled reviews"
    if {"sentences", "opposites", "phrases"} & {*ingredients}:
        sources += ", short texts that\nwere made of them or written for this"
    if reviews["unlabelled"] and "unlabelled" in ingredients:
        expert = " and an expert (a pretrained transformer)" if "expert" in ingredients else ""
        sources += (
            f", and {reviews['unlabelled']:,} reviews\nthat were labelled by a linear model (NB-SVM on 1- to 3-grams)"
            f"{expert}, fitted on the same labelled reviews"
        )
    return f"{sources}."


def _calibration_note(calibration: Calibration) -> str:
    return (
        f"probability = sigmoid(logit / {calibration.temperature:.4f} + {calibration.bias:.4f}); "
        "1 and 0 where the recipe does not calibrate."
    )


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
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.scatter(mean, fraction, s=10 + 200 * counts / counts.max())
    axes.set(xlabel="P(positive)", ylabel="fraction positive, official test", xlim=(0, 1), ylim=(0, 1))
    return figure


def _plot_roc(scores: Scores) -> Figure:
    false_positives, true_positives = roc_curve(scores.probabilities, scores.labels)
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(false_positives, true_positives)
    axes.set(xlabel="negatives called positive", ylabel="positives called positive", xlim=(0, 1), ylim=(0, 1))
    return figure


def _plot_length(scores: Scores) -> Figure:
    found = by_length(scores)
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes: Axes = figure.subplots()
    axes.plot(list(found), [m.accuracy for m in found.values()], "s-")
    axes.set(xlabel="words read", ylabel="accuracy, official test")
    return figure
