import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from training.evaluate import expected_calibration_error, measure, reliability

graded = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.integers(0, 1)), min_size=2, max_size=60)


def test_metrics_agree_with_a_case_worked_by_hand() -> None:
    found = measure([0.9, 0.8, 0.3, 0.4], [1, 0, 0, 1])
    assert (found.count, found.accuracy, found.auc) == (4, 0.5, 0.75)
    assert found.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.2) + math.log(0.7) + math.log(0.4)) / 4)
    confusion = (found.true_negatives, found.false_positives, found.false_negatives, found.true_positives)
    assert confusion == (1, 1, 1, 1)
    # Every review is alone in its bin: 0.1, 0.8, 0.3 and 0.6 away from its label.
    assert found.ece == pytest.approx((0.1 + 0.8 + 0.3 + 0.6) / 4)


def test_calibration_error_compares_means_within_a_bin_not_single_reviews() -> None:
    p, y = np.array([0.74, 0.74, 0.74, 0.78]), np.array([1.0, 1.0, 1.0, 0.0])
    counts, mean, fraction = reliability(p, y)
    assert counts[11] == 4
    assert (mean[11], fraction[11]) == (pytest.approx(0.75), 0.75)
    assert expected_calibration_error(p, y) == pytest.approx(0.0)


def test_a_probability_of_one_falls_into_the_last_bin() -> None:
    counts, _, _ = reliability(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert (counts[0], counts[-1], counts.sum()) == (1, 1, 2)


@settings(deadline=None)
@given(graded)
def test_metrics_agree_with_scikit_learn_also_on_ties(pairs: list[tuple[float, int]]) -> None:
    p, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    found = measure(p, y)
    assert found.accuracy == pytest.approx(sk.accuracy_score(y, p >= 0.5))
    assert found.log_loss == pytest.approx(sk.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), labels=[0, 1]))
    if 0 < y.sum() < len(y):
        assert found.auc == pytest.approx(sk.roc_auc_score(y, p))


def test_a_certain_and_wrong_answer_has_a_finite_loss() -> None:
    assert measure([0.0, 1.0], [1, 0]).log_loss == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_the_auc_of_a_single_class_is_one_half() -> None:
    assert measure([0.2, 0.9], [1, 1]).auc == 0.5


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [([], []), ([0.5], [0, 1]), ([1.5], [1]), ([float("nan")], [1]), ([0.5], [2])],
)
def test_what_is_no_probability_or_no_label_is_refused(probabilities: list[float], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"labels|probabilities"):
        measure(probabilities, labels)
