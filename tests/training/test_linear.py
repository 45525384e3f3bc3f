import numpy as np
import pytest

from training.datasets import ImdbFiles
from training.errors import DatasetError
from training.linear import NbSvm


def fit(imdb: ImdbFiles) -> NbSvm:
    return NbSvm.fit([row.text for row in imdb.train], [int(row.label or 0) for row in imdb.train])


def test_the_teacher_learns_and_its_labels_are_probabilities(imdb: ImdbFiles) -> None:
    p = fit(imdb).probabilities([row.text for row in imdb.test])
    labels = np.array([row.label for row in imdb.test])
    assert p.dtype == np.float32
    assert ((p > 0) & (p < 1)).all()
    assert np.mean((p >= 0.5) == labels) > 0.95


def test_the_same_texts_make_the_same_teacher(imdb: ImdbFiles) -> None:
    texts = [row.text for row in imdb.test]
    assert (fit(imdb).probabilities(texts) == fit(imdb).probabilities(texts)).all()


def test_word_order_counts_up_to_three_words() -> None:
    good, bad = "not bad but good", "not good but bad"
    teacher = NbSvm.fit([good, bad] * 10, [1, 0] * 10)
    p = teacher.probabilities([good, bad])
    assert p[0] > 0.5 > p[1]


def test_no_text_gives_no_label(imdb: ImdbFiles) -> None:
    assert fit(imdb).probabilities([]).shape == (0,)


def test_texts_without_a_word_in_common_are_one_clear_error() -> None:
    with pytest.raises(DatasetError, match=r"the 2 labelled reviews.*give more reviews"):
        NbSvm.fit(["fine", "dull"], [1, 0])
