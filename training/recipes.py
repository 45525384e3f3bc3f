"""The two recipes: every number that shapes a training run, and nothing else."""

from dataclasses import dataclass, replace
from typing import Literal

Precision = Literal["fp32", "bf16"]
Yardstick = Literal["accuracy", "log-loss"]

# What the production recipe adds to a network and labelled film reviews; each can be left out to measure its effect.
INGREDIENTS = (
    "pretraining",  # word vectors from neighbouring words
    "domains",  # reviews of other goods
    "sentences",  # single sentences of the labelled reviews
    "opposites",  # passages with their polar words reversed
    "phrases",  # negations and contrasts
    "passages",  # parts of the unlabelled reviews, labelled by the expert
    "crops",  # parts of reviews, except in the last epoch
    "unlabelled",  # reviews with soft labels
    "expert",  # a pretrained transformer's opinion in these labels
)
NOT_IN_NOTEBOOK = ("domains", "passages", "unlabelled", "expert")  # these need more than the notebook's reviews


@dataclass(frozen=True, slots=True)
class ReferenceRecipe:
    """The numbers of the "Sentiment RNN" notebook.

    One difference is deliberate: the notebook carries the recurrent state from one shuffled batch into the next, so
    a review's score depends on other reviews. Here each batch starts from zeros.
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
    chosen_by: Yardstick = "accuracy"  # on dev: the metric that chooses the epoch
    precision: Precision = "bf16"  # of the embedding and the LSTM while training on a CPU; all else is fp32
    calibrated: bool = False  # the notebook's score is the sigmoid's output itself
    fp16_storage: bool = False

    def learning_rate(self, progress: float) -> float:
        """Constant; `progress` is the share of all steps done, in [0, 1)."""
        del progress
        return self.peak_learning_rate


@dataclass(frozen=True, slots=True)
class ProductionRecipe:
    """A small bidirectional LSTM that learns from labelled reviews, and from two teachers' labels of many more."""

    name: str = "production"
    ingredients: tuple[str, ...] = INGREDIENTS
    epochs: int = 8
    seed: int = 0
    vocabulary_words: int = 30_000
    embedding_dim: int = 128
    hidden_dim: int = 128
    batch_reviews: int = 64
    bucket_batches: int = 50  # batches whose reviews are drawn together at random, then sorted by length
    sentences: int = 20_000
    opposites: int = 8_000  # pairs
    phrases: int = 8_000
    batch_short_texts: int = 256
    crop_tokens: int = 160
    passages: int = 2  # of each unlabelled review
    expert_share: float = 0.8  # weight of the expert's log-odds; the linear teacher has the rest
    peak_learning_rate: float = 2e-3
    warm_up_share: float = 0.15
    weight_decay: float = 0.01
    label_smoothing: float = 0.05  # of the true labels; the teachers' are soft already
    clip_norm: float = 1.0
    chosen_by: Yardstick = "log-loss"  # on dev; 2,225 reviews are too few to compare accuracies
    precision: Precision = "bf16"
    calibrated: bool = True
    fp16_storage: bool = True

    def learning_rate(self, progress: float) -> float:
        """One cycle (Smith 2018): linear up to the peak, then linear down to a hundredth of it."""
        if progress < self.warm_up_share:
            return self.peak_learning_rate * max(progress / self.warm_up_share, 0.01)
        return self.peak_learning_rate * max((1 - progress) / (1 - self.warm_up_share), 0.01)

    def has(self, ingredient: str) -> bool:
        """Whether the recipe uses this ingredient."""
        return ingredient in self.ingredients

    def without(self, *left_out: str) -> "ProductionRecipe":
        """The same recipe without these ingredients and those made from them."""
        if "unlabelled" in left_out:
            left_out += ("expert",)
        if "expert" in left_out:
            left_out += ("passages",)
        return replace(self, ingredients=tuple(name for name in self.ingredients if name not in left_out))


@dataclass(frozen=True, slots=True)
class ExpertRecipe:
    """The transformer of `python -m training teach`: pretrained further on all texts, then on their labels."""

    readers: int = 3  # networks fine-tuned from the same start, whose log-odds are averaged
    word_epochs: int = 6
    word_peak_rate: float = 3e-4
    word_window: int = 254  # pieces of a text that are read together to predict masked ones
    masked_share: float = 0.2
    label_epochs: int = 3
    label_peak_rate: float = 1e-4
    label_smoothing: float = 0.05
    review_pieces: int = 510  # a third of them from the beginning
    crop_share: float = 0.5  # of the reviews, in each epoch
    shortest_crop: int = 12  # pieces
    longest_crop: int = 200
    batch_pieces: int = 32_768  # at most: rows times the longest row
    batch_reviews: int = 64  # at most, while learning labels
    warm_up_share: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    def rate(self, progress: float, peak: float) -> float:
        """One cycle, like `ProductionRecipe.learning_rate`."""
        rising, falling = (progress + 1e-3) / self.warm_up_share, (1 - progress) / (1 - self.warm_up_share)
        return peak * max(min(rising, falling), 0.01)


Recipe = ReferenceRecipe | ProductionRecipe
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (ReferenceRecipe(), ProductionRecipe())}
