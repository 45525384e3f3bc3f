"""The two recipes: every number that shapes a training run, and nothing else."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class ReferenceRecipe:
    """The "Sentiment RNN" notebook, number for number.

    One thing differs on purpose: the notebook carries the recurrent state from one shuffled batch into the
    next, so that a review's score depends on its company; here each batch starts from zeros.
    """

    name: str = "reference"
    epochs: int = 4
    seed: int = 0
    max_tokens: int = 200
    embedding_dim: int = 400
    hidden_dim: int = 256
    layers: int = 2
    drop_probability: float = 0.5
    batch_reviews: int = 50
    peak_learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = 5.0
    patience_epochs: int = 2
    precision: Precision = "bf16"  # of the embedding and the LSTM while training; all else is fp32
    calibrated: bool = False  # the notebook's number is the sigmoid's output itself
    fp16_storage: bool = False

    def learning_rate(self, progress: float) -> float:
        """Constant; `progress` is the share of all steps that are done, in [0, 1)."""
        del progress
        return self.peak_learning_rate


@dataclass(frozen=True, slots=True)
class ProductionRecipe:
    """A small bidirectional LSTM that learns from true labels and from a linear teacher's soft labels."""

    name: str = "production"
    epochs: int = 5
    seed: int = 0
    vocabulary_words: int = 20_000
    embedding_dim: int = 128
    hidden_dim: int = 128
    batch_reviews: int = 64
    bucket_batches: int = 50  # reviews of so many batches are drawn at random, then sorted by length
    peak_learning_rate: float = 2e-3
    warm_up_share: float = 0.15
    weight_decay: float = 0.01
    label_smoothing: float = 0.05  # of the true labels; the teacher's are soft already
    clip_norm: float = 1.0
    patience_epochs: int = 2
    precision: Precision = "bf16"
    calibrated: bool = True
    fp16_storage: bool = True

    def learning_rate(self, progress: float) -> float:
        """One cycle (Smith 2018): linear up to the peak, then linear down to a hundredth of it."""
        if progress < self.warm_up_share:
            return self.peak_learning_rate * max(progress / self.warm_up_share, 0.01)
        return self.peak_learning_rate * max((1 - progress) / (1 - self.warm_up_share), 0.01)


Recipe = ReferenceRecipe | ProductionRecipe
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (ReferenceRecipe(), ProductionRecipe())}
