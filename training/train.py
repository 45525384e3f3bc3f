"""The training loop: epochs, the choice of the best one on dev, and a checkpoint after each.

Every random choice of an epoch depends only on the seed and the epoch's number, so a resumed run ends with the same
weights as an uninterrupted one.
"""

import copy
import hashlib
import json
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.calibrate import fit_calibration
from training.errors import CheckpointError, OutputError
from training.evaluate import measure
from training.learners import Learner
from training.recipes import Recipe, Yardstick


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One line of the learning curve."""

    epoch: int  # from 1
    train_loss: float
    dev_accuracy: float
    dev_log_loss: float  # after calibration on the same reviews
    duration_s: float


OnStep = Callable[[int, int, float], None]  # epoch from 1, step from 1, loss
OnEpoch = Callable[[EpochResult], None]


@dataclass(slots=True)
class _Run:
    """The content of a checkpoint."""

    fingerprint: str
    network: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    best: dict[str, torch.Tensor]  # weights of the best epoch
    history: list[dict[str, Any]]


def fit(
    learner: Learner,
    recipe: Recipe,
    dev_labels: NDArray[np.float32],
    checkpoint: Path,
    on_step: OnStep,
    on_epoch: OnEpoch,
) -> list[EpochResult]:
    """Train `learner.network`, give it the weights of its best epoch, and return the learning curve.

    Continues from `checkpoint` if that file holds an unfinished run of the same recipe on the same reviews.
    `dev_labels` (N,) are 0 or 1. Raises CheckpointError if the file holds another run, OutputError if it cannot be
    written, LeakError if a batch contains a held-out review.
    """
    network = learner.network
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.peak_learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    fingerprint = run_fingerprint(learner, recipe)
    history: list[EpochResult] = []
    best = copy.deepcopy(network.state_dict())
    if checkpoint.exists():
        run = _read_checkpoint(checkpoint, fingerprint)
        network.load_state_dict(run.network)
        optimizer.load_state_dict(run.optimizer)
        best, history = run.best, [EpochResult(**line) for line in run.history]
    while len(history) < recipe.epochs:
        epoch, started = len(history) + 1, time.perf_counter()
        loss = _train_epoch(learner, recipe, optimizer, epoch, on_step)
        accuracy, log_loss = _dev_quality(learner, recipe, dev_labels)
        history.append(EpochResult(epoch, loss, accuracy, log_loss, time.perf_counter() - started))
        if best_epoch(history, recipe.chosen_by) == epoch:
            best = copy.deepcopy(network.state_dict())
        lines = [asdict(line) for line in history]
        _write_checkpoint(checkpoint, _Run(fingerprint, network.state_dict(), optimizer.state_dict(), best, lines))
        on_epoch(history[-1])
    network.load_state_dict(best)
    network.eval()
    return history


def best_epoch(history: list[EpochResult], chosen_by: Yardstick) -> int:
    """The epoch with the highest dev accuracy or the lowest log-loss; the other metric decides between equal ones."""
    if chosen_by == "accuracy":
        return max(history, key=lambda line: (line.dev_accuracy, -line.dev_log_loss)).epoch
    return min(history, key=lambda line: (line.dev_log_loss, -line.dev_accuracy)).epoch


def run_fingerprint(learner: Learner, recipe: Recipe) -> str:
    """A digest that is equal for two runs that may continue each other: same recipe, same reviews, same texts."""
    reviews = learner.train
    digest = hashlib.sha256(json.dumps([asdict(recipe), reviews.review_ids], sort_keys=True).encode())
    for row in reviews.token_ids:
        digest.update(row.tobytes() + b"\n")
    # Only the side of each soft label: its last bits may differ between machines.
    digest.update((reviews.targets >= 0.5).tobytes())
    return digest.hexdigest()


def _train_epoch(
    learner: Learner, recipe: Recipe, optimizer: torch.optim.Optimizer, epoch: int, on_step: OnStep
) -> float:
    """One pass over the training reviews; returns the mean loss of its batches."""
    with torch.random.fork_rng(devices=[]):
        rng = np.random.default_rng([recipe.seed, epoch])
        torch.manual_seed(int(rng.integers(2**32)))
        learner.network.train()
        first_step = (epoch - 1) * learner.steps_per_epoch
        losses = []
        last = epoch == recipe.epochs
        for step, batch in enumerate(learner.batches(rng, last=last), 1):
            progress = (first_step + step - 1) / (recipe.epochs * learner.steps_per_epoch)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate(progress)
            optimizer.zero_grad(set_to_none=True)
            loss = learner.loss(batch)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(learner.network.parameters(), recipe.clip_norm)
            optimizer.step()
            losses.append(loss.item())
            on_step(epoch, step, losses[-1])
    return float(np.mean(losses))


def _dev_quality(learner: Learner, recipe: Recipe, dev_labels: NDArray[np.float32]) -> tuple[float, float]:
    """Accuracy of the probabilities that the recipe stores, and log-loss of the calibrated ones."""
    logits = learner.dev_logits()
    calibrated = fit_calibration(logits, dev_labels).probabilities(logits)
    shipped = calibrated >= 0.5 if recipe.calibrated else logits >= 0
    return float(np.mean(shipped == (dev_labels == 1))), measure(calibrated, dev_labels).log_loss


def _write_checkpoint(path: Path, run: _Run) -> None:
    """Write another file, then rename it, so that an interruption leaves a complete checkpoint."""
    beside = path.with_suffix(".partial")
    try:
        torch.save({field: getattr(run, field) for field in _Run.__slots__}, beside)
        os.replace(beside, path)  # noqa: PTH105 (the atomic call by its known name)
    except (OSError, RuntimeError) as error:  # torch's writer raises the latter
        raise OutputError(
            f"cannot write {path} ({error}): make room there and run the same command again, which continues after "
            "the last whole epoch; or choose another --out"
        ) from error


def _read_checkpoint(path: Path, fingerprint: str) -> _Run:
    try:
        run = _Run(**torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): delete it to start again") from error
    except (EOFError, RuntimeError, TypeError, ValueError, LookupError, pickle.UnpicklingError) as error:
        # Torch's own message is several lines of advice to read the file without protection.
        raise CheckpointError(f"{path} cannot be read, because it is damaged: delete it to start again") from error
    if run.fingerprint != fingerprint:
        raise CheckpointError(
            f"{path} belongs to a run with another recipe, seed or data: "
            "give another --out, or delete it to start again"
        )
    return run
