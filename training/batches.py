"""Forms batches of encoded reviews, and refuses held-out ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.engines import packing
from training.errors import LeakError


@dataclass(frozen=True, slots=True)
class EncodedReviews:
    """Reviews as a network reads them; each field has one entry per review."""

    review_ids: tuple[str, ...]
    token_ids: tuple[NDArray[np.int32], ...]  # each (T,), T >= 0, no padding
    targets: NDArray[np.float32]  # (N,), P(positive) to learn: 0, 1 or a soft label

    def __len__(self) -> int:
        return len(self.review_ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,), tokens of each review."""
        return np.array([len(row) for row in self.token_ids], np.int64)


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """The reviews of one optimisation step."""

    ids: torch.Tensor  # (B, T) int64, padded with 0
    lengths: torch.Tensor  # (B,) int64, at least 1
    targets: torch.Tensor  # (B,) float32

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same batch on `device`."""
        return TrainingBatch(self.ids.to(device), self.lengths.to(device), self.targets.to(device))


@dataclass(frozen=True, slots=True)
class Crop:
    """Shortens a longer review to `tokens` tokens: a random number from its beginning, the rest from its end."""

    tokens: int
    rng: np.random.Generator

    def __call__(self, row: NDArray[np.int32]) -> NDArray[np.int32]:
        """Shorten (T,) to (min(T, tokens),)."""
        if len(row) <= self.tokens:
            return row
        head = int(self.rng.integers(self.tokens // 4, self.tokens // 2, endpoint=True))
        return np.concatenate([row[:head], row[len(row) - self.tokens + head :]])


@dataclass(frozen=True, slots=True)
class BatchFormer:
    """The only way into training: each batch is checked against the held-out ids."""

    reviews: EncodedReviews
    forbidden: frozenset[str]
    pad_left_to: int | None = None  # tokens; None: pad right, to the batch's longest

    def form(self, rows: Sequence[int] | NDArray[np.int64], crop: Crop | None = None) -> TrainingBatch:
        """Make the batch of these row numbers, cropped where `crop` is given. Raises LeakError for a held-out one."""
        leaked = self.forbidden.intersection(self.reviews.review_ids[row] for row in rows)
        if leaked:
            raise LeakError(
                f"held-out reviews in a training batch: {', '.join(sorted(leaked))}. This is a bug in "
                "training/datasets.py: do not use the weights of this run"
            )
        token_ids = [self.reviews.token_ids[row] for row in rows]
        if crop is not None:
            token_ids = [crop(row) for row in token_ids]
        return TrainingBatch(
            ids=pad_left(token_ids, self.pad_left_to) if self.pad_left_to else pad_right(token_ids),
            lengths=torch.tensor([max(len(row), 1) for row in token_ids]),
            targets=torch.from_numpy(self.reviews.targets[np.asarray(rows)]),
        )


def shuffled(count: int, batch_reviews: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Row numbers of batches in random order; each row once. The last batch may be smaller."""
    order = rng.permutation(count)
    for start in range(0, count, batch_reviews):
        yield order[start : start + batch_reviews]


def length_bucketed(
    lengths: NDArray[np.int64], batch_reviews: int, bucket_batches: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of batches of similar length, in random order; each row once.

    The rows are shuffled and cut into buckets of `bucket_batches` batches; inside a bucket they are sorted by
    length and cut into batches. This needs little padding, and gives each row other neighbours in each epoch.
    """
    batches = []
    for bucket in shuffled(len(lengths), batch_reviews * bucket_batches, rng):
        by_length = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [by_length[i : i + batch_reviews] for i in range(0, len(by_length), batch_reviews)]
    for number in rng.permutation(len(batches)):
        yield batches[number]


def batch_count(reviews: int, batch_reviews: int, bucket_batches: int = 1) -> int:
    """How many batches `shuffled` (with one batch per bucket) and `length_bucketed` yield."""
    full, rest = divmod(reviews, batch_reviews * bucket_batches)
    return full * bucket_batches + -(-rest // batch_reviews)


def pad_right(rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """`model.engines.packing.pad_right` as a tensor (B, longest) int64."""
    return torch.from_numpy(packing.pad_right(rows))


def pad_left(rows: Sequence[NDArray[np.int32]], width: int) -> torch.Tensor:
    """`model.engines.packing.pad_left` as a tensor (B, `width`) int64. Raises ValueError for a longer row."""
    return torch.from_numpy(packing.pad_left(rows, width))
