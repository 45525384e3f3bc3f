import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.batches import (
    BatchFormer,
    Crop,
    EncodedReviews,
    batch_count,
    length_bucketed,
    pad_left,
    pad_right,
    shuffled,
)
from training.errors import LeakError


def encoded(*lengths: int) -> EncodedReviews:
    return EncodedReviews(
        review_ids=tuple(f"review {number}" for number in range(len(lengths))),
        token_ids=tuple(np.arange(1, length + 1, dtype=np.int32) for length in lengths),
        targets=np.linspace(0, 1, len(lengths), dtype=np.float32),
    )


def test_a_held_out_review_cannot_enter_a_batch() -> None:
    former = BatchFormer(encoded(3, 4, 5), forbidden=frozenset({"review 1"}))
    former.form([0, 2])
    with pytest.raises(LeakError, match="review 1"):
        former.form([0, 1])


def test_a_batch_holds_its_rows_targets_and_lengths_in_the_order_given() -> None:
    batch = BatchFormer(encoded(2, 1, 3), frozenset()).form([2, 0])
    assert batch.ids.tolist() == [[1, 2, 3], [1, 2, 0]]
    assert batch.lengths.tolist() == [3, 2]
    assert batch.targets.tolist() == [1.0, 0.0]


def test_the_reference_pads_on_the_left_to_a_fixed_width() -> None:
    batch = BatchFormer(encoded(2, 0), frozenset(), pad_left_to=4).form([0, 1])
    assert batch.ids.tolist() == [[0, 0, 1, 2], [0, 0, 0, 0]]
    assert batch.ids.dtype == torch.int64


def test_a_review_without_a_word_becomes_one_padding() -> None:
    batch = BatchFormer(encoded(0), frozenset()).form([0])
    assert (batch.ids.tolist(), batch.lengths.tolist()) == ([[0]], [1])


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=80), st.integers(1, 9), st.integers(1, 4), st.integers(0, 9))
def test_every_review_comes_exactly_once_an_epoch(lengths: list[int], size: int, buckets: int, seed: int) -> None:
    found = np.array(lengths)
    for batches, count in (
        (list(shuffled(len(found), size, np.random.default_rng(seed))), batch_count(len(found), size)),
        (
            list(length_bucketed(found, size, buckets, np.random.default_rng(seed))),
            batch_count(len(found), size, buckets),
        ),
    ):
        assert sorted(np.concatenate(batches)) == list(range(len(found)))
        assert max(map(len, batches)) <= size
        assert len(batches) == count


def test_length_buckets_pad_less_than_chance() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 2000)

    def padded_tokens(batches: list[np.ndarray]) -> int:
        return sum(len(rows) * int(lengths[rows].max()) for rows in batches)

    bucketed = padded_tokens(list(length_bucketed(lengths, 32, 20, np.random.default_rng(1))))
    assert bucketed < 1.1 * lengths.sum()
    assert padded_tokens(list(shuffled(2000, 32, np.random.default_rng(1)))) > 1.5 * lengths.sum()


def test_padding_left_and_right_keeps_every_token() -> None:
    rows = [np.array([5, 6], np.int32), np.array([7], np.int32)]
    assert pad_right(rows).tolist() == [[5, 6], [7, 0]]
    assert pad_left(rows, 3).tolist() == [[0, 5, 6], [0, 0, 7]]


def test_a_crop_keeps_the_ends_of_a_long_review_and_the_whole_of_a_short_one() -> None:
    crop = Crop(tokens=8, rng=np.random.default_rng(0))
    batch = BatchFormer(encoded(30, 8), frozenset()).form([0, 1], crop)
    assert batch.lengths.tolist() == [8, 8]
    assert batch.ids[1].tolist() == list(range(1, 9))
    row = batch.ids[0].tolist()
    (gap,) = np.flatnonzero(np.diff(row) != 1)
    assert (row[0], row[-1]) == (1, 30)
    assert 2 <= gap + 1 <= 4, "of 8 tokens a quarter to a half are the beginning"
