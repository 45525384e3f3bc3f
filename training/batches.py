"""Forms batches of encoded reviews, and lets none through that must stay out of training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import LeakError


@dataclass(frozen=True, slots=True)
class EncodedReviews:
    """Reviews as a network reads them; the four fields have one entry a review."""

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
class Batch:
    """One optimisation step's reviews."""

    ids: torch.Tensor  # (B, T) int64, padded with 0
    lengths: torch.Tensor  # (B,) int64, at least 1
    targets: torch.Tensor  # (B,) float32

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(self.ids.to(device), self.lengths.to(device), self.targets.to(device))


@dataclass(frozen=True, slots=True)
class Crop:
    """Of a longer review only `tokens` tokens, of its beginning and its end; how many of each is left to chance."""

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
    """The only door into training: each batch is checked against the ids that are held out."""

    reviews: EncodedReviews
    forbidden: frozenset[str]
    pad_left_to: int | None = None  # tokens; None: pad right, to the batch's longest

    def form(self, rows: Sequence[int] | NDArray[np.int64], crop: "Crop | None" = None) -> Batch:
        """Make the batch of these row numbers, cropped if so wished. Raises LeakError when one of them is held out."""
        leaked = self.forbidden.intersection(self.reviews.review_ids[row] for row in rows)
        if leaked:
            raise LeakError(
                f"held-out reviews in a training batch: {', '.join(sorted(leaked))}; "
                "a mistake in training/datasets.py: do not use what this run has learned"
            )
        token_ids = [self.reviews.token_ids[row] for row in rows]
        if crop is not None:
            token_ids = [crop(row) for row in token_ids]
        return Batch(
            ids=pad_left(token_ids, self.pad_left_to) if self.pad_left_to else pad_right(token_ids),
            lengths=torch.tensor([max(len(row), 1) for row in token_ids]),
            targets=torch.from_numpy(self.reviews.targets[np.asarray(rows)]),
        )


def shuffled(count: int, batch_reviews: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Row numbers of batches in random order; each row once, the last batch may be smaller."""
    order = rng.permutation(count)
    for start in range(0, count, batch_reviews):
        yield order[start : start + batch_reviews]


def length_bucketed(
    lengths: NDArray[np.int64], batch_reviews: int, bucket_batches: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of batches of similar length, in random order; each row once.

    The rows are shuffled and cut into buckets of `bucket_batches` batches; inside a bucket they are sorted by
    length and cut into batches. Little padding, yet other neighbours in each epoch.
    """
    batches = []
    for bucket in shuffled(len(lengths), batch_reviews * bucket_batches, rng):
        by_length = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [by_length[i : i + batch_reviews] for i in range(0, len(by_length), batch_reviews)]
    for number in rng.permutation(len(batches)):
        yield batches[number]


def batch_count(reviews: int, batch_reviews: int, bucket_batches: int = 1) -> int:
    """How many batches the functions above yield."""
    full, rest = divmod(reviews, batch_reviews * bucket_batches)
    return full * bucket_batches + -(-rest // batch_reviews)


def pad_right(rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """Stack to (B, longest) int64 with zeros behind; at least one column."""
    padded = np.zeros((len(rows), max(1, *map(len, rows))), np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)


def pad_left(rows: Sequence[NDArray[np.int32]], width: int) -> torch.Tensor:
    """Stack to (B, `width`) int64 with zeros in front. A row longer than `width` is a ValueError."""
    padded = np.zeros((len(rows), width), np.int64)
    for line, row in zip(padded, rows, strict=True):
        if len(row):
            line[-len(row) :] = row
    return torch.from_numpy(padded)
