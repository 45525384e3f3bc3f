import numpy as np
import pytest

from training.analysis import Scores
from training.datasets import Example, Lists
from training.suite import EDITED, PAIRS, both_right, pairs_by_kind, read_suite


def scores(probabilities: list[float], labels: list[int], kinds: str) -> Scores:
    reviews = [
        Example(f"film/pair/{kind}/{n}", label, "") for n, (kind, label) in enumerate(zip(kinds, labels, strict=True))
    ]
    return Scores(reviews, np.array(labels, float), np.array(probabilities), np.ones(len(labels), np.int64))


THREE_PAIRS = scores([0.9, 0.1, 0.9, 0.8, 0.6, 0.4], [1, 0, 1, 0, 0, 1], "aabbaa")


def test_each_set_of_the_suite_has_as_many_positives_as_negatives_or_nearly() -> None:
    for name, rows in read_suite().items():
        labels = [row.label for row in rows]
        assert 0.4 < np.mean(np.array(labels, float)) < 0.6, name
        assert len({row.id for row in rows}) == len({row.text for row in rows}) == len(rows), name


@pytest.mark.parametrize("name", [PAIRS, EDITED])
def test_a_pair_is_a_text_and_its_opposite(name: str) -> None:
    rows = read_suite()[name]
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert one.id[:-1] == other.id[:-1]
        assert {one.label, other.label} == {0, 1}


def test_what_was_edited_is_a_dev_review_that_no_published_set_has_edited() -> None:
    originals = {row.id.removesuffix("/edited/a") for row in read_suite()[EDITED][::2]}
    lists = Lists.shipped()
    assert originals <= lists.dev - lists.kept_out


def test_a_pair_counts_where_both_are_right() -> None:
    assert both_right(THREE_PAIRS) == 1 / 3


def test_pairs_are_counted_by_kind() -> None:
    assert pairs_by_kind(THREE_PAIRS) == {"a": (2, 0.5), "b": (1, 0.0)}
