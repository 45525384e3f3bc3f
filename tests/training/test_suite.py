import numpy as np

from training.suite import PAIRS, both_right, read_suite


def test_each_set_of_the_suite_has_as_many_positives_as_negatives_or_nearly() -> None:
    for name, rows in read_suite().items():
        labels = [row.label for row in rows]
        assert 0.4 < np.mean(np.array(labels, float)) < 0.6, name
        assert len({row.id for row in rows}) == len({row.text for row in rows}) == len(rows), name


def test_a_pair_is_a_text_and_its_opposite() -> None:
    rows = read_suite()[PAIRS]
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert one.id[:-1] == other.id[:-1]
        assert {one.label, other.label} == {0, 1}


def test_a_pair_counts_where_both_are_right() -> None:
    labels = np.array([1.0, 0, 1, 0, 0, 1])
    assert both_right(np.array([0.9, 0.1, 0.9, 0.8, 0.6, 0.4]), labels) == 1 / 3
