"""What the training loop needs of a network, for each recipe: batches, a loss, and logits of the dev set."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from model.artifact import Network
from model.network import BiLstmClassifier, NetworkConfig
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import ReferenceTokenizer, Tokenizer, WordTokenizer
from training.batches import (
    Batch,
    BatchFormer,
    EncodedReviews,
    batch_count,
    length_bucketed,
    pad_left,
    pad_right,
    shuffled,
)
from training.datasets import Example, Splits, text_key
from training.errors import LeakError
from training.recipes import ProductionRecipe, Recipe, ReferenceRecipe
from training.teacher import NbSvm

_EVALUATION_REVIEWS = 128  # a batch, where no gradient is kept
_SMALLEST_PROBABILITY = 1e-7


class Learner(Protocol):
    """A network with its data, ready to be trained."""

    @property
    def network(self) -> Network:
        """What is trained."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """What made the network's ids."""
        ...

    @property
    def train(self) -> EncodedReviews:
        """What is learned from, for the run's fingerprint."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """How many batches `batches` yields."""
        ...

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch: every training review once. Raises LeakError."""
        ...

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean loss of a batch, a float32 scalar with a gradient."""
        ...

    def dev_logits(self) -> NDArray[np.float64]:
        """Logits of the dev reviews in their order, fp32 arithmetic; puts the network into eval mode."""
        ...


def build_learner(recipe: Recipe, splits: Splits) -> Learner:
    """Vocabulary, soft labels where the recipe wants them, encoded reviews and a fresh network.

    Raises LeakError when a held-out review, or its text, stands among those to learn from: vocabulary and teacher
    read them before the first batch is formed.
    """
    _refuse_leaks(splits)
    torch.manual_seed(recipe.seed)
    if isinstance(recipe, ReferenceRecipe):
        return ReferenceLearner(recipe, splits)
    return ProductionLearner(recipe, splits)


class ReferenceLearner:
    """The notebook: fixed width, left padding, `nn.BCELoss` on the sigmoid's output."""

    def __init__(self, recipe: ReferenceRecipe, splits: Splits) -> None:
        self._recipe = recipe
        self.tokenizer = ReferenceTokenizer.build((row.text for row in splits.train), recipe.max_tokens)
        self.train = encode(self.tokenizer, splits.train, hard_targets(splits.train))
        self._dev = encode(self.tokenizer, splits.dev, hard_targets(splits.dev))
        self._former = BatchFormer(self.train, splits.forbidden, pad_left_to=recipe.max_tokens)
        self.network = SentimentRNN(
            self.tokenizer.vocab_size,
            output_size=1,
            embedding_dim=recipe.embedding_dim,
            hidden_dim=recipe.hidden_dim,
            n_layers=recipe.layers,
            drop_prob=recipe.drop_probability,
        )
        # The loss looks at small differences from 0 and 1, which bfloat16 cannot hold.
        self.network.sig.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    @property
    def steps_per_epoch(self) -> int:
        """See `Learner`."""
        return batch_count(len(self.train), self._recipe.batch_reviews)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """See `Learner`."""
        for rows in shuffled(len(self.train), self._recipe.batch_reviews, rng):
            yield self._former.form(rows)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `Learner`."""
        with _autocast(self._recipe):
            probabilities, _ = self.network(batch.ids, self.network.init_hidden(len(batch.ids)))
        return functional.binary_cross_entropy(probabilities.float(), batch.targets)

    @torch.inference_mode()
    def dev_logits(self) -> NDArray[np.float64]:
        """See `Learner`."""
        self.network.eval()
        found = []
        for start in range(0, len(self._dev), _EVALUATION_REVIEWS):
            rows = self._dev.token_ids[start : start + _EVALUATION_REVIEWS]
            ids = pad_left(rows, self._recipe.max_tokens)
            found.append(self.network(ids, self.network.init_hidden(len(ids)))[0])
        p = torch.cat(found).double().clamp(_SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        return np.asarray(torch.logit(p))


class ProductionLearner:
    """True labels, smoothed, beside the teacher's labels of the unlabelled reviews; batches of like length."""

    def __init__(self, recipe: ProductionRecipe, splits: Splits) -> None:
        self._recipe = recipe
        rows = splits.train + splits.unlabelled
        self.tokenizer = WordTokenizer.build((row.text for row in rows), recipe.vocabulary_words)
        true = hard_targets(splits.train)
        smoothed = true * (1 - recipe.label_smoothing) + recipe.label_smoothing / 2
        targets = np.concatenate([smoothed, _soft_targets(splits)])
        self.train = encode(self.tokenizer, rows, targets)
        self._dev = encode(self.tokenizer, splits.dev, hard_targets(splits.dev))
        self._former = BatchFormer(self.train, splits.forbidden)
        self.network = BiLstmClassifier(
            NetworkConfig(
                vocab_size=self.tokenizer.vocab_size,
                embedding_dim=recipe.embedding_dim,
                hidden_dim=recipe.hidden_dim,
            )
        )

    @property
    def steps_per_epoch(self) -> int:
        """See `Learner`."""
        return batch_count(len(self.train), self._recipe.batch_reviews, self._recipe.bucket_batches)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """See `Learner`."""
        recipe = self._recipe
        for rows in length_bucketed(self.train.lengths, recipe.batch_reviews, recipe.bucket_batches, rng):
            yield self._former.form(rows)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `Learner`."""
        with _autocast(self._recipe):
            logits = self.network(batch.ids, batch.lengths)
        return functional.binary_cross_entropy_with_logits(logits.float(), batch.targets)

    @torch.inference_mode()
    def dev_logits(self) -> NDArray[np.float64]:
        """See `Learner`."""
        self.network.eval()
        lengths = self._dev.lengths
        order = np.argsort(lengths, kind="stable")
        logits = np.empty(len(order))
        for start in range(0, len(order), _EVALUATION_REVIEWS):
            rows = order[start : start + _EVALUATION_REVIEWS]
            ids = pad_right([self._dev.token_ids[row] for row in rows])
            logits[rows] = self.network(ids, torch.from_numpy(lengths[rows])).numpy()
        return logits


def hard_targets(examples: Sequence[Example]) -> NDArray[np.float32]:
    """(N,), 0 or 1. Raises ValueError where a label is missing."""
    labels = [row.label for row in examples if row.label is not None]
    if len(labels) != len(examples):
        raise ValueError(f"{len(examples) - len(labels)} of {len(examples)} reviews have no label")
    return np.array(labels, np.float32)


def encode(tokenizer: Tokenizer, rows: Sequence[Example], targets: NDArray[np.float32]) -> EncodedReviews:
    """The reviews as the network reads them."""
    return EncodedReviews(
        review_ids=tuple(row.id for row in rows),
        token_ids=tuple(tokenizer.tokenize(row.text).ids for row in rows),
        targets=np.asarray(targets, np.float32),
    )


def _refuse_leaks(splits: Splits) -> None:
    for row in splits.train + splits.unlabelled:
        if row.id in splits.forbidden or text_key(row.text) in splits.forbidden_texts:
            raise LeakError(
                f"{row.id} is held out, or has the text of a review that is, and was about to be learned: "
                "a mistake in training/datasets.py; nothing was trained"
            )


def _soft_targets(splits: Splits) -> NDArray[np.float32]:
    """The teacher knows the training reviews only, so its labels carry nothing of what is held out."""
    if not splits.unlabelled:
        return np.empty(0, np.float32)
    teacher = NbSvm.fit([row.text for row in splits.train], [int(row.label or 0) for row in splits.train])
    return teacher.probabilities([row.text for row in splits.unlabelled])


def _autocast(recipe: Recipe) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16")
