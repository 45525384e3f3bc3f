import numpy as np
from scipy.stats import binom

from training.analysis import Scores, by_length, comparison, evaluation
from training.datasets import Example


def scores(probabilities: list[float], labels: list[int], words: list[int] | None = None) -> Scores:
    reviews = [Example(f"r{n}", label, f"review {n}<br />" + "word " * 99) for n, label in enumerate(labels)]
    return Scores(
        reviews, np.array(labels, float), np.array(probabilities), np.array(words or [5] * len(labels), np.int64)
    )


def test_the_surest_errors_come_first_and_long_texts_are_cut() -> None:
    text = evaluation("mine", scores([0.9, 0.1, 0.6, 0.99], [1, 1, 0, 0]))
    errors = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line.partition(":")[0] for line in errors] == ["- r3", "- r1", "- r2"]
    assert "- r3: P(positive) 0.990, is negative: review 3 word" in errors[0]
    assert all(len(line) < 300 for line in errors)


def test_every_review_belongs_to_one_length() -> None:
    found = by_length(scores([0.9, 0.1, 0.6, 0.2], [1, 0, 0, 1], [0, 15, 16, 400]))
    assert {name: m.count for name, m in found.items()} == {"0-15": 2, "16-50": 1, "400 or more": 1}
    assert found["0-15"].accuracy == 1
    assert found["400 or more"].accuracy == 0


def test_two_models_differ_by_the_reviews_that_one_of_them_gets_right() -> None:
    labels = [1] * 12
    first = scores([0.9] * 12, labels)
    second = scores([0.9] * 2 + [0.1] * 10, labels)
    text = comparison("mine", ("A", "B"), (first, second))
    assert "A 10 times, B 0 times" in text
    assert f"p = {2 * binom.cdf(0, 10, 0.5):.2g} " in text
    assert "is hardly chance" in text
    assert "Right with A alone" in text
    assert "Right with B alone" not in text
    few = comparison("mine", ("A", "B"), (scores([0.9, 0.1], [1, 1]), scores([0.1, 0.1], [1, 1])))
    assert "may be chance" in few
