"""What the training loop needs of a network, for each recipe: batches, a loss, and logits of the dev set."""

import random
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from model.network import BiLstmClassifier
from model.network_config import NetworkConfig
from model.networks import Network
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import FIRST_WORD_ID, ReferenceTokenizer, Tokenizer, WordTokenizer
from training import augment
from training.augment import SoftText
from training.batches import (
    Batch,
    BatchFormer,
    Crop,
    EncodedReviews,
    batch_count,
    length_bucketed,
    pad_left,
    pad_right,
    shuffled,
)
from training.datasets import Example, Splits, hard_targets, text_key
from training.device import training_device
from training.embeddings import pretrained_embedding
from training.errors import LeakError
from training.opinions import Opinions
from training.recipes import ProductionRecipe, Recipe, ReferenceRecipe
from training.suite import read_suite
from training.teachers import Teachers

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

    def batches(self, rng: np.random.Generator, *, last: bool) -> Iterator[Batch]:
        """One epoch, the `last` one or not: every training review once. Raises LeakError."""
        ...

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean loss of a batch, a float32 scalar with a gradient."""
        ...

    def dev_logits(self) -> NDArray[np.float64]:
        """Logits of the dev reviews in their order, fp32 arithmetic; puts the network into eval mode."""
        ...


def build_learner(recipe: Recipe, splits: Splits, opinions: Opinions | None = None) -> Learner:
    """Vocabulary, encoded reviews and a fresh network, on a GPU where there is one.

    `opinions` are needed where the recipe has an expert; DatasetError tells that they lack a text.
    Raises LeakError when a held-out review, or its text, stands among those to learn from: vocabulary and teacher
    read them before the first batch is formed.
    """
    _refuse_leaks(splits)
    torch.manual_seed(recipe.seed)
    if isinstance(recipe, ReferenceRecipe):
        return ReferenceLearner(recipe, splits)
    return ProductionLearner(recipe, splits, opinions)


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
        self.network.to(training_device())
        # The loss looks at small differences from 0 and 1, which bfloat16 cannot hold.
        self.network.sig.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    @property
    def steps_per_epoch(self) -> int:
        """See `Learner`."""
        return batch_count(len(self.train), self._recipe.batch_reviews)

    def batches(self, rng: np.random.Generator, *, last: bool) -> Iterator[Batch]:
        """See `Learner`."""
        del last
        for rows in shuffled(len(self.train), self._recipe.batch_reviews, rng):
            yield self._former.form(rows)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `Learner`."""
        batch = batch.to(training_device())
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
            ids = pad_left(rows, self._recipe.max_tokens).to(training_device())
            found.append(self.network(ids, self.network.init_hidden(len(ids)))[0])
        p = torch.cat(found).cpu().double().clamp(_SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        return np.asarray(torch.logit(p))


class ProductionLearner:
    """Reviews in batches of like length, and short texts in larger batches, shuffled together."""

    def __init__(self, recipe: ProductionRecipe, splits: Splits, opinions: Opinions | None) -> None:
        self._recipe = recipe
        labels = hard_targets(splits.train)
        unlabelled = splits.unlabelled if recipe.has("unlabelled") else ()
        self.tokenizer = WordTokenizer.build((row.text for row in splits.train + unlabelled), recipe.vocabulary_words)
        smoothed = labels * (1 - recipe.label_smoothing) + recipe.label_smoothing / 2
        self._dev = encode(self.tokenizer, splits.dev, hard_targets(splits.dev))
        teachers = Teachers.fit(recipe, splits, opinions)
        self._reviews = _joined(
            encode(self.tokenizer, splits.train, smoothed),
            encode(self.tokenizer, unlabelled, teachers.labels([row.text for row in unlabelled])),
        )
        self._short = _encode_short(self.tokenizer, _short_texts(recipe, splits, teachers))
        self._review_former = BatchFormer(self._reviews, splits.forbidden)
        self._short_former = BatchFormer(self._short, splits.forbidden)
        self.train = _joined(self._reviews, self._short)
        self.network = BiLstmClassifier(
            NetworkConfig(
                vocab_size=self.tokenizer.vocab_size,
                embedding_dim=recipe.embedding_dim,
                hidden_dim=recipe.hidden_dim,
            )
        )
        if recipe.has("pretraining"):
            self._pretrain()
        self.network.to(training_device())

    @property
    def steps_per_epoch(self) -> int:
        """See `Learner`."""
        recipe = self._recipe
        return batch_count(len(self._reviews), recipe.batch_reviews, recipe.bucket_batches) + batch_count(
            len(self._short), recipe.batch_short_texts, recipe.bucket_batches
        )

    def batches(self, rng: np.random.Generator, *, last: bool) -> Iterator[Batch]:
        """See `Learner`."""
        recipe = self._recipe
        crop = Crop(recipe.crop_tokens, rng) if recipe.has("crops") and not last else None
        reviews = length_bucketed(self._review_lengths(crop), recipe.batch_reviews, recipe.bucket_batches, rng)
        short = length_bucketed(self._short.lengths, recipe.batch_short_texts, recipe.bucket_batches, rng)
        plan = [(self._review_former, rows) for rows in reviews] + [(self._short_former, rows) for rows in short]
        for number in rng.permutation(len(plan)):
            former, rows = plan[number]
            yield former.form(rows, crop)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `Learner`."""
        batch = batch.to(training_device())
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
            logits[rows] = (
                self.network(ids.to(training_device()), torch.from_numpy(lengths[rows]).to(training_device()))
                .cpu()
                .numpy()
            )
        return logits

    def _review_lengths(self, crop: Crop | None) -> NDArray[np.int64]:
        lengths = self._reviews.lengths
        return lengths if crop is None else np.minimum(lengths, crop.tokens)

    def _pretrain(self) -> None:
        vectors = pretrained_embedding(
            self._reviews.token_ids, self.tokenizer.vocab_size, self._recipe.embedding_dim, first_word_id=FIRST_WORD_ID
        )
        with torch.no_grad():
            self.network.embedding.weight.copy_(torch.from_numpy(vectors))


def _short_texts(recipe: ProductionRecipe, splits: Splits, teachers: Teachers) -> list[SoftText]:
    rng = random.Random(recipe.seed)  # noqa: S311 (a sample, not a secret)
    made: list[SoftText] = []
    if recipe.has("sentences"):
        made += augment.sentences(splits.train, recipe.sentences, rng, teachers.linear.probabilities)
    if recipe.has("opposites"):
        made += augment.opposites(splits.train, recipe.opposites, rng, teachers.linear.probabilities)
    if recipe.has("phrases"):
        made += augment.phrases(recipe.phrases, rng)
    if recipe.has("passages"):
        ids, texts = augment.passages(splits.unlabelled, recipe.passages)
        made += map(SoftText, ids, texts, map(float, teachers.expert_labels(texts)))
    suite = {text_key(row.text) for rows in read_suite().values() for row in rows}
    return [row for row in made if text_key(row.text) not in suite]


def _encode_short(tokenizer: WordTokenizer, texts: Sequence[SoftText]) -> EncodedReviews:
    targets = np.array([row.target for row in texts], np.float32)
    return encode(tokenizer, [Example(row.id, None, row.text) for row in texts], targets)


def _joined(one: EncodedReviews, other: EncodedReviews) -> EncodedReviews:
    return EncodedReviews(
        one.review_ids + other.review_ids,
        one.token_ids + other.token_ids,
        np.concatenate([one.targets, other.targets]),
    )


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


def _autocast(recipe: Recipe) -> torch.autocast:
    """Of a CPU alone: cuDNN's LSTM takes seven times as long in bfloat16 as in float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16")
