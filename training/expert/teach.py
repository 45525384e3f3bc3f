"""`python -m training teach`: trains an expert and collects its opinions."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from training.analysis import Scores
from training.augment import passages
from training.calibrate import fit_calibration
from training.datasets import Splits, hard_targets
from training.errors import DatasetError
from training.expert.encoder import Encoder, read_encoder
from training.expert.learn import OnStep, ask, learn_labels, learn_words
from training.expert.pieces import MARKS, read_tokenizer, to_pieces
from training.opinions import Opinions
from training.progress import showing
from training.recipes import ExpertRecipe, ProductionRecipe
from training.suite import dev_sets

Reader = Callable[[Sequence[str]], NDArray[np.float32]]  # texts to log-odds (B,)
_ASKED_AT_ONCE = 4_096  # texts


def make_expert(
    recipe: ExpertRecipe, splits: Splits, checkpoint: Path, device: torch.device, seed: int, console: Console
) -> Reader:
    """Pretrain `checkpoint` further and fine-tune it; returns the mean of the readers. Raises DatasetError."""
    tokenizer = read_tokenizer(checkpoint)
    torch.manual_seed(seed)
    encoder = read_encoder(checkpoint).to(device)
    if encoder.config.max_position_embeddings < recipe.review_pieces + MARKS:
        raise DatasetError(f"{checkpoint} reads {encoder.config.max_position_embeddings} pieces at most: give another")
    console.print("reading the texts")
    labelled = to_pieces(tokenizer, [row.text for row in splits.train])
    unlabelled = to_pieces(tokenizer, [row.text for row in splits.unlabelled])
    with _showing_steps(console, "learning words") as on_step:
        learn_words(encoder, labelled + unlabelled, recipe, seed, on_step)
    labels = hard_targets(splits.train)
    readers: list[Encoder] = []
    for number in range(recipe.readers):
        readers.append(copy.deepcopy(encoder))
        with _showing_steps(console, f"learning labels, reader {number + 1} of {recipe.readers}") as on_step:
            learn_labels(readers[-1], labelled, labels, recipe, recipe.readers * seed + number, on_step)

    def read(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = to_pieces(tokenizer, texts)
        return np.asarray(np.mean([ask(reader, rows, recipe) for reader in readers], axis=0), np.float32)

    return read


def collect_opinions(reader: Reader, splits: Splits, recipe: ProductionRecipe, console: Console) -> Opinions:
    """The opinions that a production recipe needs: of the unlabelled reviews, their passages, and the dev set."""
    _, parts = passages(splits.unlabelled, recipe.passages)
    texts = [*(row.text for row in splits.dev + splits.unlabelled), *parts]
    logits: list[NDArray[np.float32]] = []
    with showing(console, "asking", len(texts)) as show:
        for start in range(0, len(texts), _ASKED_AT_ONCE):
            logits.append(reader(texts[start : start + _ASKED_AT_ONCE]))
            show(min(start + _ASKED_AT_ONCE, len(texts)))
    return Opinions.of(texts, np.concatenate(logits))


def examine(reader: Reader, splits: Splits) -> dict[str, Scores]:
    """Its scores of each dev set and of the suite, calibrated on dev; `Scores.words` are all 0."""
    sets = dev_sets(splits)
    logits = {name: reader([row.text for row in rows]).astype(np.float64) for name, rows in sets.items()}
    calibration = fit_calibration(logits["dev"], hard_targets(splits.dev))
    return {
        name: Scores(
            reviews=rows,
            labels=hard_targets(rows).astype(np.float64),
            probabilities=calibration.probabilities(logits[name]),
            words=np.zeros(len(rows), np.int64),
        )
        for name, rows in sets.items()
    }


@contextmanager
def _showing_steps(console: Console, title: str) -> Iterator[OnStep]:
    with showing(console, title, 1000) as show:

        def on_step(step: int, steps: int, loss: torch.Tensor) -> None:
            if step % 50 == 0 or step == steps:  # reading the loss waits for the GPU
                show(1000 * step // steps, f"loss {float(loss):.3f}")

        yield on_step
