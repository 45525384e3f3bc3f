"""For each recipe, what the training loop needs: a network, batches, a loss, and logits of the dev set."""

import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from model.network import BiLstmClassifier
from model.network_config import NetworkConfig
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import FIRST_WORD_ID, ReferenceTokenizer, Tokenizer, WordTokenizer
from training import augment
from training.augment import SoftText
from training.batches import (
    BatchFormer,
    Crop,
    EncodedReviews,
    TrainingBatch,
    batch_count,
    length_bucketed,
    pad_left,
    pad_right,
    shuffled,
)
from training.datasets import Example, Splits, hard_targets, text_key
from training.embeddings import pretrained_embedding
from training.errors import LeakError
from training.opinions import Opinions
from training.recipes import ProductionRecipe, Recipe, ReferenceRecipe
from training.suite import read_suite
from training.teachers import Teachers

_EVALUATION_REVIEWS = 128  # per batch, without gradients
_SMALLEST_PROBABILITY = 1e-7


@cache
def training_device() -> torch.device:
    """The GPU that torch finds, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_learner(recipe: Recipe, splits: Splits, opinions: Opinions | None = None) -> "Learner":
    """Vocabulary, encoded reviews and a new network, on a GPU where there is one.

    `opinions` are required where the recipe has an expert; raises DatasetError where they lack a text.
    Raises LeakError where the training reviews contain a held-out one, or its text. This is checked first because
    vocabulary and teachers read them before the first batch is formed.
    """
    _refuse_leaks(splits)
    torch.manual_seed(recipe.seed)
    if isinstance(recipe, ReferenceRecipe):
        return ReferenceLearner(recipe, splits)
    return ProductionLearner(recipe, splits, opinions)


class ReferenceLearner:
    """The notebook's network and data: fixed width, left padding, `nn.BCELoss` on the sigmoid's output.

    As every learner, it has the attributes `network`, `tokenizer` and `train`: the training reviews.
    """

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
        # The loss depends on small differences from 0 and 1, which bfloat16 cannot represent.
        self.network.sig.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in an epoch."""
        return batch_count(len(self.train), self._recipe.batch_reviews)

    def batches(self, rng: np.random.Generator, *, last: bool) -> Iterator[TrainingBatch]:
        """One epoch: every training review once; `last` says whether it is the last epoch. Raises LeakError."""
        del last
        for rows in shuffled(len(self.train), self._recipe.batch_reviews, rng):
            yield self._former.form(rows)

    def loss(self, batch: TrainingBatch) -> torch.Tensor:
        """The mean loss of a batch, a float32 scalar with a gradient."""
        batch = batch.to(training_device())
        with _autocast(self._recipe):
            probabilities, _ = self.network(batch.ids, self.network.init_hidden(len(batch.ids)))
        return functional.binary_cross_entropy(probabilities.float(), batch.targets)

    @torch.inference_mode()
    def dev_logits(self) -> NDArray[np.float64]:
        """Logits (N,) of the dev reviews in their order, computed in fp32; puts the network into eval mode."""
        self.network.eval()
        found = []
        for start in range(0, len(self._dev), _EVALUATION_REVIEWS):
            rows = self._dev.token_ids[start : start + _EVALUATION_REVIEWS]
            ids = pad_left(rows, self._recipe.max_tokens).to(training_device())
            found.append(self.network(ids, self.network.init_hidden(len(ids)))[0])
        p = torch.cat(found).cpu().double().clamp(_SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        return np.asarray(torch.logit(p))


class ProductionLearner:
    """Reviews in batches of similar length, and short texts in larger batches, shuffled together."""

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
        short = _short_texts(recipe, splits, teachers)
        targets = np.array([row.target for row in short], np.float32)
        self._short = encode(self.tokenizer, [Example(row.id, None, row.text) for row in short], targets)
        self._review_former = BatchFormer(self._reviews, splits.forbidden)
        self._short_former = BatchFormer(self._short, splits.forbidden)
        self.train = _joined(self._reviews, self._short)
        sizes = NetworkConfig(self.tokenizer.vocab_size, recipe.embedding_dim, recipe.hidden_dim)
        self.network = BiLstmClassifier(sizes)
        if recipe.has("pretraining"):
            self._pretrain()
        self.network.to(training_device())

    @property
    def steps_per_epoch(self) -> int:
        """See `ReferenceLearner`."""
        recipe = self._recipe
        reviews = batch_count(len(self._reviews), recipe.batch_reviews, recipe.bucket_batches)
        return reviews + batch_count(len(self._short), recipe.batch_short_texts, recipe.bucket_batches)

    def batches(self, rng: np.random.Generator, *, last: bool) -> Iterator[TrainingBatch]:
        """See `ReferenceLearner`."""
        recipe = self._recipe
        crop = Crop(recipe.crop_tokens, rng) if recipe.has("crops") and not last else None
        lengths = self._reviews.lengths if crop is None else np.minimum(self._reviews.lengths, crop.tokens)
        reviews = length_bucketed(lengths, recipe.batch_reviews, recipe.bucket_batches, rng)
        short = length_bucketed(self._short.lengths, recipe.batch_short_texts, recipe.bucket_batches, rng)
        plan = [(self._review_former, rows) for rows in reviews] + [(self._short_former, rows) for rows in short]
        for number in rng.permutation(len(plan)):
            former, rows = plan[number]
            yield former.form(rows, crop)

    def loss(self, batch: TrainingBatch) -> torch.Tensor:
        """See `ReferenceLearner`."""
        batch = batch.to(training_device())
        with _autocast(self._recipe):
            logits = self.network(batch.ids, batch.lengths)
        return functional.binary_cross_entropy_with_logits(logits.float(), batch.targets)

    @torch.inference_mode()
    def dev_logits(self) -> NDArray[np.float64]:
        """See `ReferenceLearner`."""
        self.network.eval()
        device, lengths = training_device(), self._dev.lengths
        order = np.argsort(lengths, kind="stable")
        logits = np.empty(len(order))
        for start in range(0, len(order), _EVALUATION_REVIEWS):
            rows = order[start : start + _EVALUATION_REVIEWS]
            ids = pad_right([self._dev.token_ids[row] for row in rows]).to(device)
            logits[rows] = self.network(ids, torch.from_numpy(lengths[rows]).to(device)).cpu().numpy()
        return logits

    def _pretrain(self) -> None:
        vectors = pretrained_embedding(
            self._reviews.token_ids, self.tokenizer.vocab_size, self._recipe.embedding_dim, first_word_id=FIRST_WORD_ID
        )
        with torch.no_grad():
            self.network.embedding.weight.copy_(torch.from_numpy(vectors))


Learner = ReferenceLearner | ProductionLearner


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


def _joined(one: EncodedReviews, other: EncodedReviews) -> EncodedReviews:
    return EncodedReviews(
        one.review_ids + other.review_ids,
        one.token_ids + other.token_ids,
        np.concatenate([one.targets, other.targets]),
    )


def encode(tokenizer: Tokenizer, rows: Sequence[Example], targets: NDArray[np.float32]) -> EncodedReviews:
    """The reviews as the network reads them; `targets` (N,) are P(positive)."""
    return EncodedReviews(
        review_ids=tuple(row.id for row in rows),
        token_ids=tuple(tokenizer.tokenize(row.text).ids for row in rows),
        targets=np.asarray(targets, np.float32),
    )


def _refuse_leaks(splits: Splits) -> None:
    for row in splits.train + splits.unlabelled:
        if row.id in splits.forbidden or text_key(row.text) in splits.forbidden_texts:
            raise LeakError(
                f"{row.id} is among the training reviews, but it or its text is held out. This is a bug in "
                "training/datasets.py: nothing was trained"
            )


def _autocast(recipe: Recipe) -> torch.autocast:
    """Autocast on CPUs only: cuDNN's LSTM takes seven times as long in bfloat16 as in float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16")
