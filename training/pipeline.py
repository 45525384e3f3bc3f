"""From data files to an artifact and a report: the steps of `python -m training --recipe ...`, in order."""

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from model.artifact import Artifact, Calibration, StorageDtype, save_artifact
from model.engines import load_predictor
from model.networks import config_of, weights_of
from model.predictor import Predictor
from training.analysis import Scores, score_reviews
from training.calibrate import fit_calibration
from training.datasets import (
    DomainFiles,
    ImdbFiles,
    Lists,
    Splits,
    check_labels,
    hard_targets,
    production_splits,
    reference_splits,
)
from training.device import training_device
from training.errors import OutputError
from training.learners import Learner, build_learner
from training.opinions import Opinions
from training.progress import ProgressDisplay
from training.recipes import Recipe, ReferenceRecipe
from training.report import Report, render_model_card, write_report
from training.suite import dev_sets, suite_shares
from training.train import EpochResult, best_epoch, fit

ARTIFACT_NAMES = {"reference": "imdb-sentiment-rnn", "production": "imdb-bilstm"}
OFFICIAL_TEST = "official test"
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asked for on the command line."""

    recipe: Recipe
    data: Path
    out: Path
    limit: int | None  # reviews of each part, for quick trials
    command: str
    notebook_split: bool = False  # the production recipe on what the reference recipe learns from
    opinions: Path | None = None  # what `teach` wrote; None: what is shipped


@dataclass(frozen=True, slots=True)
class _Product:
    """A trained network, its weights as they will be stored, and what belongs to it."""

    recipe: Recipe
    learner: Learner
    calibration: Calibration
    storage_dtype: StorageDtype
    dev_accuracy_before_storage: float

    def store(self, directory: Path, card: str) -> Artifact:
        return save_artifact(
            directory,
            name=ARTIFACT_NAMES[self.recipe.name],
            version=datetime.now(UTC).strftime("%Y.%m.%d"),
            network=config_of(self.learner.network),
            weights=weights_of(self.learner.network),
            tokenizer=self.learner.tokenizer,
            calibration=self.calibration,
            card=card,
            storage_dtype=self.storage_dtype,
        )


def run(request: Request, console: Console) -> Report:
    """Train, choose, calibrate, store, evaluate and report, all under `request.out`.

    Raises TrainingError, and ArtifactError where the artifact cannot be written.
    """
    console.print("reading the data")
    splits = read_splits(request)
    console.print(f"{len(splits.train):,} labelled and {len(splits.unlabelled):,} unlabelled reviews to learn from")
    console.print("building the vocabulary and the labels")
    learner = build_learner(request.recipe, splits, _opinions(request))
    with _writing(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    history = _train(request, learner, splits, console)
    product = _finish(request.recipe, learner, splits)
    with _writing(request.out), tempfile.TemporaryDirectory(dir=request.out) as scratch:
        draft = product.store(Path(scratch) / "artifact", card="")
        predictor = load_predictor(draft.directory, device="cpu", precision="fp32")
        scores = _score_all(predictor, splits, console)
        artifact_bytes = sum(file.stat().st_size for file in draft.directory.iterdir())
    report = Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=request.command,
        recipe=asdict(request.recipe),
        reviews=_review_counts(splits),
        excluded=splits.excluded,
        history=tuple(history),
        chosen_epoch=best_epoch(history, request.recipe.chosen_by),
        calibration=product.calibration,
        dev_accuracy_before_storage=product.dev_accuracy_before_storage,
        metrics={name: one.metrics for name, one in scores.items()},
        suite=suite_shares(scores),
        parameters=sum(parameter.numel() for parameter in learner.network.parameters()),
        artifact_bytes=artifact_bytes,
        training_duration_s=sum(line.duration_s for line in history),
        environment=_environment(predictor),
    )
    product.store(request.out / "artifact", render_model_card(report))
    with _writing(request.out):
        write_report(request.out, report, scores[OFFICIAL_TEST])
    return report


def read_splits(request: Request) -> Splits:
    """The recipe's own split of the files under `request.data`. Raises DatasetError."""
    imdb, lists = ImdbFiles.read(request.data), Lists.shipped()
    if isinstance(request.recipe, ReferenceRecipe) or request.notebook_split:
        splits = reference_splits(imdb, lists)
    else:
        learned = request.recipe.has("domains")  # the report scores them in any case
        domains = DomainFiles.read(request.data) if learned or DomainFiles.stand_in(request.data) else None
        splits = production_splits(imdb, lists, domains, learn_domains=learned)
    splits = splits if request.limit is None else splits.limited(request.limit)
    check_labels(splits)
    return splits


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or out}: {error.strerror or error}; make room there and give the same "
            "command again, or choose another --out"
        ) from error


def _opinions(request: Request) -> Opinions | None:
    if isinstance(request.recipe, ReferenceRecipe) or not request.recipe.has("expert"):
        return None
    return Opinions.read(request.opinions) if request.opinions else Opinions.shipped()


def _train(request: Request, learner: Learner, splits: Splits, console: Console) -> list[EpochResult]:
    recipe, steps = request.recipe, learner.steps_per_epoch
    epochs = recipe.epochs
    checkpoint = request.out / CHECKPOINT
    if checkpoint.exists():
        console.print(f"continuing after the last whole epoch of {checkpoint}")
    with ProgressDisplay(console, f"{recipe.name} recipe", epochs * steps) as display:

        def on_step(epoch: int, step: int, loss: float) -> None:
            done = (epoch - 1) * steps + step
            display.show(done, f"epoch {epoch}/{epochs}, step {step}/{steps}, loss {loss:.3f}")

        def on_epoch(result: EpochResult) -> None:
            console.print(
                f"epoch {result.epoch}: train loss {result.train_loss:.4f}, dev accuracy "
                f"{result.dev_accuracy:.4f}, dev log-loss {result.dev_log_loss:.4f}, {result.duration_s:.0f} s"
            )

        labels = hard_targets(splits.dev)
        return fit(learner, recipe, labels, checkpoint, on_step, on_epoch)


def _finish(recipe: Recipe, learner: Learner, splits: Splits) -> _Product:
    """Round the weights as storing will, and only then calibrate: what is measured is what is stored."""
    labels = hard_targets(splits.dev)
    before_storage = float(np.mean((learner.dev_logits() >= 0) == (labels == 1)))
    storage_dtype: StorageDtype = np.float16 if recipe.fp16_storage else np.float32
    if storage_dtype is np.float16:
        learner.network.half().float()
    calibration = fit_calibration(learner.dev_logits(), labels) if recipe.calibrated else Calibration()
    return _Product(recipe, learner, calibration, storage_dtype, before_storage)


def _score_all(predictor: Predictor, splits: Splits, console: Console) -> dict[str, Scores]:
    """Every labelled set that took no part in training, the dev sets first."""
    found = {}
    for name, rows in (dev_sets(splits) | splits.tests).items():
        with ProgressDisplay(console, f"scoring {name}", len(rows)) as display:
            found[name] = score_reviews(predictor, rows, display)
    kept = np.array([row.id not in splits.test_duplicates for row in splits.tests[OFFICIAL_TEST]])
    if kept.any():
        found[f"{OFFICIAL_TEST}, without duplicates"] = found[OFFICIAL_TEST].where(kept)
    return found


def _review_counts(splits: Splits) -> dict[str, int]:
    tests = {name: len(rows) for name, rows in splits.tests.items()}
    counts = {"train": len(splits.train), "unlabelled": len(splits.unlabelled), "dev": len(splits.dev)}
    return counts | tests


def _environment(predictor: Predictor) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cpu cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "trained on": torch.cuda.get_device_name() if training_device().type == "cuda" else "cpu",
        "engine of the evaluation": predictor.info.engine,
    }
