from dataclasses import replace

import numpy as np
import pytest

from tests.training.conftest import GOOD, TINY_PRODUCTION, opinions_on
from training.datasets import ImdbFiles, Lists, Splits, production_splits
from training.errors import DatasetError
from training.opinions import Opinions
from training.teachers import Teachers


@pytest.fixture(scope="module")
def splits(imdb: ImdbFiles, lists: Lists) -> Splits:
    return production_splits(imdb, lists)


def test_both_teachers_have_a_say_in_a_label(splits: Splits) -> None:
    texts = [row.text for row in splits.unlabelled]
    given = opinions_on(splits)
    undecided = Opinions(given.keys, np.where(given.keys % 7 == 0, 0, given.logits).astype(np.float16))
    one, other = (Teachers.fit(TINY_PRODUCTION, splits, opinions).labels(texts) for opinions in (given, undecided))
    assert not np.array_equal(one, other)
    for labels in (one, other):
        assert labels.dtype == np.float32
        assert ((labels >= 0) & (labels <= 1)).all()
        right = np.array([any(word in text for word in GOOD) for text in texts])
        assert np.mean((labels >= 0.5) == right) > 0.95, "the linear teacher helps where the expert says nothing"


def test_an_overconfident_expert_is_calibrated_on_the_dev_set(splits: Splits) -> None:
    given = opinions_on(splits)
    wrong = np.random.default_rng(0).random(len(given.keys)) < 0.2
    noisy = Opinions(given.keys, np.where(wrong, -given.logits, given.logits))
    labels = Teachers.fit(TINY_PRODUCTION, splits, noisy).expert_labels([row.text for row in splits.dev])
    assert 0.7 < np.maximum(labels, 1 - labels).mean() < 0.9


def test_without_an_expert_the_linear_teacher_is_alone(splits: Splits) -> None:
    texts = [row.text for row in splits.unlabelled]
    teachers = Teachers.fit(TINY_PRODUCTION.without("expert"), splits, None)
    assert np.array_equal(teachers.labels(texts), teachers.linear.probabilities(texts))


def test_an_expert_without_opinions_on_these_texts_is_refused(splits: Splits) -> None:
    with pytest.raises(DatasetError, match="--without expert"):
        Teachers.fit(TINY_PRODUCTION, splits, None)
    other = replace(splits, unlabelled=())
    teachers = Teachers.fit(TINY_PRODUCTION, splits, opinions_on(other))
    with pytest.raises(DatasetError, match="has not read"):
        teachers.labels([row.text for row in splits.unlabelled])
