"""The steps of `python -m training --recipe ...`: from data files to an artifact and a report."""

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from model.artifact import Artifact, Calibration, save_artifact
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
from training.errors import OutputError
from training.learners import Learner, build_learner, training_device
from training.opinions import Opinions
from training.progress import showing
from training.recipes import Recipe, ReferenceRecipe
from training.report import Report, render_model_card, write_report
from training.suite import dev_sets, suite_shares
from training.train import EpochResult, best_epoch, fit

ARTIFACT_NAMES = {"reference": "imdb-sentiment-rnn", "production": "imdb-bilstm"}
OFFICIAL_TEST = "official test"
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Request:
    """A training run, as the command line asks for it."""

    recipe: Recipe
    data: Path
    out: Path
    limit: int | None  # reviews of each part, for quick trials
    command: str  # for the model card
    notebook_split: bool = False  # the production recipe on the reviews of the reference recipe
    opinions: Path | None = None  # the file that `teach` wrote; None: the opinions in the package


def run(request: Request, console: Console) -> Report:
    """Train, choose, calibrate, store, evaluate and report under `request.out`. Raises TrainingError, ArtifactError."""
    console.print("reading the data")
    splits = read_splits(request)
    console.print(f"{len(splits.train):,} labelled and {len(splits.unlabelled):,} unlabelled reviews to learn from")
    console.print("building the vocabulary and the labels")
    learner = build_learner(request.recipe, splits, _opinions(request))
    history = _train(request, learner, splits, console)
    save, calibration, dev_accuracy = _finish(request.recipe, learner, hard_targets(splits.dev))
    with _writing(request.out), tempfile.TemporaryDirectory(dir=request.out) as scratch:
        draft = save(Path(scratch) / "artifact", card="")
        predictor = load_predictor(draft.directory, device="cpu", precision="fp32")
        scores = _score_all(predictor, splits, console)
        artifact_bytes = sum(file.stat().st_size for file in draft.directory.iterdir())
    report = Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=request.command,
        recipe=asdict(request.recipe),
        reviews={"train": len(splits.train), "unlabelled": len(splits.unlabelled), "dev": len(splits.dev)}
        | {name: len(rows) for name, rows in splits.tests.items()},
        excluded=splits.excluded,
        history=tuple(history),
        chosen_epoch=best_epoch(history, request.recipe.chosen_by),
        calibration=calibration,
        dev_accuracy_before_storage=dev_accuracy,
        metrics={name: one.metrics for name, one in scores.items()},
        suite=suite_shares(scores),
        parameters=sum(parameter.numel() for parameter in learner.network.parameters()),
        artifact_bytes=artifact_bytes,
        training_duration_s=sum(line.duration_s for line in history),
        environment=_environment(predictor),
    )
    save(request.out / "artifact", card=render_model_card(report))
    with _writing(request.out):
        write_report(request.out, report, scores[OFFICIAL_TEST])
    return report


def read_splits(request: Request) -> Splits:
    """The split of the files under `request.data` that the recipe uses. Raises DatasetError."""
    imdb, lists = ImdbFiles.read(request.data), Lists.shipped()
    if isinstance(request.recipe, ReferenceRecipe) or request.notebook_split:
        splits = reference_splits(imdb, lists)
    else:
        learned = request.recipe.has("domains")  # the report scores the domains' dev sets in any case
        domains = DomainFiles.read(request.data) if learned or DomainFiles.are_in(request.data) else None
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
            f"cannot write {error.filename or out}: {error.strerror or error}; make room there and run the same "
            "command again, or choose another --out"
        ) from error


def _opinions(request: Request) -> Opinions | None:
    if isinstance(request.recipe, ReferenceRecipe) or not request.recipe.has("expert"):
        return None
    return Opinions.read(request.opinions) if request.opinions else Opinions.shipped()


def _train(request: Request, learner: Learner, splits: Splits, console: Console) -> list[EpochResult]:
    with _writing(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    recipe, steps, epochs = request.recipe, learner.steps_per_epoch, request.recipe.epochs
    checkpoint = request.out / CHECKPOINT
    if checkpoint.exists():
        console.print(f"continuing after the last whole epoch of {checkpoint}")
    with showing(console, f"{recipe.name} recipe", epochs * steps) as show:

        def on_step(epoch: int, step: int, loss: float) -> None:
            done = (epoch - 1) * steps + step
            show(done, f"epoch {epoch}/{epochs}, step {step}/{steps}, loss {loss:.3f}")

        def on_epoch(result: EpochResult) -> None:
            console.print(
                f"epoch {result.epoch}: train loss {result.train_loss:.4f}, dev accuracy "
                f"{result.dev_accuracy:.4f}, dev log-loss {result.dev_log_loss:.4f}, {result.duration_s:.0f} s"
            )

        return fit(learner, recipe, hard_targets(splits.dev), checkpoint, on_step, on_epoch)


def _finish(
    recipe: Recipe, learner: Learner, dev_labels: NDArray[np.float32]
) -> tuple[Callable[..., Artifact], Calibration, float]:
    """Round the weights to the stored type, then calibrate.

    Returns `save_artifact` without directory and card, the calibration, and the dev accuracy before rounding.
    """
    dev_accuracy = float(np.mean((learner.dev_logits() >= 0) == (dev_labels == 1)))
    if recipe.fp16_storage:
        learner.network.half().float()
    calibration = fit_calibration(learner.dev_logits(), dev_labels) if recipe.calibrated else Calibration()
    save = partial(
        save_artifact,
        name=ARTIFACT_NAMES[recipe.name],
        version=datetime.now(UTC).strftime("%Y.%m.%d"),
        network=config_of(learner.network),
        weights=weights_of(learner.network),
        tokenizer=learner.tokenizer,
        calibration=calibration,
        storage_dtype=np.float16 if recipe.fp16_storage else np.float32,
    )
    return save, calibration, dev_accuracy


def _score_all(predictor: Predictor, splits: Splits, console: Console) -> dict[str, Scores]:
    """The scores of every labelled set that took no part in training, the dev sets first."""
    found = {}
    for name, rows in (dev_sets(splits) | splits.tests).items():
        with showing(console, f"scoring {name}", len(rows)) as show:
            found[name] = score_reviews(predictor, rows, show)
    kept = np.array([row.id not in splits.test_duplicates for row in splits.tests[OFFICIAL_TEST]])
    if kept.any():
        found[f"{OFFICIAL_TEST}, without duplicates"] = found[OFFICIAL_TEST].where(kept)
    return found


def _environment(predictor: Predictor) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cpu cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "trained on": torch.cuda.get_device_name() if training_device().type == "cuda" else "cpu",
        "engine of the evaluation": predictor.info.engine,
    }
