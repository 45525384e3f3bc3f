"""The whole way from data files to an artifact and its report, with both recipes at a tiny size."""

import io
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from numpy.typing import NDArray
from rich.console import Console
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from model.artifact import load_artifact
from model.engines import load_predictor
from model.predictor import score_texts
from tests.training.conftest import TINY_PRODUCTION
from training.errors import OutputError
from training.pipeline import Request, read_splits, run
from training.recipes import NOT_IN_NOTEBOOK, Recipe, ReferenceRecipe
from training.report import Report
from training.suite import read_suite

REFERENCE = ReferenceRecipe(
    epochs=3, max_tokens=14, embedding_dim=12, hidden_dim=12, layers=1, batch_reviews=10, peak_learning_rate=0.01
)
PRODUCTION = TINY_PRODUCTION
COMMAND = "python -m training --recipe tiny --data DIR --out DIR"
both = pytest.mark.parametrize("recipe", [REFERENCE, PRODUCTION], ids=["reference", "production"])


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    request: Request
    report: Report

    @property
    def out(self) -> Path:
        return self.request.out

    @property
    def weights(self) -> bytes:
        return (self.out / "artifact" / "weights.safetensors").read_bytes()


def train(recipe: Recipe, data: Path, out: Path, console: Console | None = None) -> Trained:
    torch.set_num_threads(1)  # `conftest` does so for a test, but not for what is shared by the tests of a module
    request = Request(recipe, data, out, limit=240, command=COMMAND, opinions=data / "opinions.npz")
    return Trained(request, run(request, console or Console(quiet=True)))


@pytest.fixture(scope="module", params=[REFERENCE, PRODUCTION], ids=["reference", "production"])
def trained(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(request.param, data, tmp_path_factory.mktemp("trained") / "made" / "by the run")


def labelled_rows(done: Trained) -> dict[str, list[tuple[str, str, int]]]:
    """Id, text and label of each set that a report names; the official test is read from its file."""
    splits = read_splits(done.request)
    rows = {
        name: [(row.id, row.text, int(row.label or 0)) for row in part]
        for name, part in {
            "dev": splits.dev,
            **{f"dev: {name}": part for name, part in splits.domains_dev.items()},
            **read_suite(),
            **splits.tests,
        }.items()
    }
    with lzma.open(done.request.data / "imdb" / "test.jsonl.xz", "rt", encoding="utf-8") as lines:
        official = [json.loads(line) for line in lines]
    rows["official test"] = [(row["id"], row["text"], row["label"]) for row in official]
    rows["official test, without duplicates"] = [
        row for row in rows["official test"] if row[0] not in splits.test_duplicates
    ]
    assert len(rows["official test, without duplicates"]) == len(rows["official test"]) - 6
    return rows


def recomputed(p: NDArray[np.float64], y: NDArray[np.int64]) -> dict[str, float]:
    """The metrics of these scores by scikit-learn."""
    counts, _ = np.histogram(p, bins=15, range=(0, 1))
    fraction, mean = calibration_curve(y, p, n_bins=15, strategy="uniform")
    confusion = sk.confusion_matrix(y, p >= 0.5).ravel()
    return {
        "count": len(y),
        "accuracy": sk.accuracy_score(y, p >= 0.5),
        "auc": sk.roc_auc_score(y, p),
        "log_loss": sk.log_loss(y, p),
        "ece": float(np.sum(counts[counts > 0] * np.abs(fraction - mean)) / len(y)),
        **dict(zip(("true_negatives", "false_positives", "false_negatives", "true_positives"), confusion, strict=True)),
    }


def figures(done: Trained) -> Mapping[str, Mapping[str, Any]]:
    """The metrics of report.json."""
    document: dict[str, Any] = json.loads((done.out / "report.json").read_text("utf-8"))
    metrics: dict[str, dict[str, Any]] = document["metrics"]
    return metrics


def test_a_run_leaves_an_artifact_that_loads_and_has_learned(trained: Trained) -> None:
    artifact = load_artifact(trained.out / "artifact")
    recipe = trained.request.recipe
    assert artifact.config.name == {"reference": "imdb-sentiment-rnn", "production": "imdb-bilstm"}[recipe.name]
    assert (artifact.config.calibration.temperature == 1) == (recipe.name == "reference")
    assert figures(trained)["official test"]["accuracy"] > 0.9


def test_what_is_left_is_the_checkpoint_the_artifact_the_report_and_its_plots(trained: Trained) -> None:
    assert sorted(path.name for path in trained.out.iterdir()) == [
        "accuracy_by_length.png",
        "artifact",
        "checkpoint.pt",
        "learning_curve.png",
        "reliability.png",
        "report.json",
        "report.md",
        "roc.png",
    ]


def test_the_plots_are_png_images_that_the_report_shows(trained: Trained) -> None:
    text = (trained.out / "report.md").read_text("utf-8")
    for name in ("learning_curve.png", "reliability.png", "roc.png", "accuracy_by_length.png"):
        assert (trained.out / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        height, width, _ = imread(trained.out / name).shape
        assert min(height, width) > 300
        assert f"]({name})" in text


def test_the_report_gives_what_scikit_learn_finds_in_the_scores_of_the_artifact(trained: Trained) -> None:
    predictor = load_predictor(trained.out / "artifact", device="cpu", precision="fp32")
    rows = labelled_rows(trained)
    assert figures(trained).keys() == rows.keys()
    for name, part in rows.items():
        p = score_texts(predictor, [text for _, text, _ in part]).probabilities.astype(np.float64)
        expected = recomputed(p, np.array([label for *_, label in part]))
        assert figures(trained)[name] == pytest.approx(expected, abs=1e-6), name


def test_report_and_model_card_show_the_figures_of_report_json(trained: Trained) -> None:
    text = (trained.out / "report.md").read_text("utf-8")
    card = (trained.out / "artifact" / "MODEL_CARD.md").read_text("utf-8")
    for name, m in figures(trained).items():
        line = (
            f"| {name} | {m['count']:,} | {m['accuracy']:.4f} | {m['auc']:.4f} | {m['log_loss']:.4f} | {m['ece']:.4f} |"
        )
        assert line in text
        assert line in card
        assert f"| {name}: truth | scored negative | scored positive |" in text
        assert f"| positive | {m['false_negatives']:,} | {m['true_positives']:,} |" in text
    for epoch in trained.report.history:
        assert f"| {epoch.epoch} | {epoch.train_loss:.4f} | {epoch.dev_accuracy:.4f} |" in text
    assert COMMAND in text
    assert COMMAND in card
    assert str(trained.out) not in text + card


def test_no_word_of_a_held_out_review_is_in_the_vocabulary(trained: Trained) -> None:
    words = set(load_artifact(trained.out / "artifact").tokenizer.to_json()["words"])
    held_out = {"reference": {"heldlate"}, "production": {"helddev"}}[trained.request.recipe.name]
    assert words.isdisjoint(held_out | {"heldkept", "heldtest"})
    assert "wonderful" in words


def test_the_report_counts_what_was_left_out(trained: Trained) -> None:
    excluded = trained.report.excluded
    if trained.request.recipe.name == "production":
        assert excluded["kept out"] == 2458
        assert excluded["same text as official test"] == 10
    assert all(f"| {why} | {count:,} |" in (trained.out / "report.md").read_text() for why, count in excluded.items())


@both
def test_the_same_seed_makes_the_same_weights_and_another_one_makes_others(
    recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    short = replace(recipe, epochs=1)
    first = train(short, data, tmp_path / "a")
    torch.rand(3)  # what happened before in this process must not matter
    assert train(short, data, tmp_path / "b").weights == first.weights
    assert train(replace(short, seed=1), data, tmp_path / "c").weights != first.weights


class CtrlC(io.StringIO):
    """A screen that raises KeyboardInterrupt at these words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def write(self, text: str, /) -> int:
        if self._words in text:
            raise KeyboardInterrupt
        return super().write(text)


@pytest.mark.parametrize("words", ["epoch 2:", "60 %", "scoring official test"])
def test_a_run_that_was_interrupted_anywhere_ends_with_the_weights_of_one_that_was_not(
    words: str, trained: Trained, tmp_path: Path
) -> None:
    recipe, data = trained.request.recipe, trained.request.data
    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, tmp_path, Console(file=CtrlC(words), width=200))
    assert {path.name for path in tmp_path.iterdir()} <= {"checkpoint.pt"}
    screen = io.StringIO()
    continued = train(recipe, data, tmp_path, Console(file=screen, width=200))
    assert "continuing after the last whole epoch" in screen.getvalue()
    assert "epoch 1:" not in screen.getvalue()
    assert continued.weights == trained.weights
    assert figures(continued) == figures(trained)


def test_the_same_command_after_a_finished_run_trains_nothing(trained: Trained) -> None:
    weights, screen = trained.weights, io.StringIO()
    again = train(trained.request.recipe, trained.request.data, trained.out, Console(file=screen, width=200))
    assert again.report.history == trained.report.history
    assert "epoch" not in screen.getvalue().replace("last whole epoch", "")
    assert again.weights == weights


def test_a_report_that_cannot_be_written_is_one_clear_error(data: Path, tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*report\.md: Is a directory.*same command again"):
        train(replace(PRODUCTION, epochs=1), data, tmp_path)


def test_the_production_recipe_can_learn_from_the_notebooks_reviews_alone(data: Path, tmp_path: Path) -> None:
    recipe = replace(PRODUCTION, epochs=1).without(*NOT_IN_NOTEBOOK)
    request = Request(recipe, data, tmp_path, limit=240, command=COMMAND, notebook_split=True)
    report = run(request, Console(quiet=True))
    words = set(load_artifact(tmp_path / "artifact").tokenizer.to_json()["words"])
    assert words.isdisjoint({"heldlate", "heldkept", "heldtest"})
    assert report.reviews["unlabelled"] == 0
    assert "notebook test" in report.metrics
