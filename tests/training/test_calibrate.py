import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from model.artifact import Calibration
from training.calibrate import fit_calibration
from training.evaluate import log_loss


def overconfident(seed: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits three times too large and shifted by one, with labels drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    true_logits = rng.normal(0, 2, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-true_logits))).astype(np.float64)
    return 3 * true_logits + 1, labels


def test_the_temperature_and_bias_that_spoiled_the_logits_are_found_again() -> None:
    found = fit_calibration(*overconfident(seed=0))
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.bias == pytest.approx(-1 / 3, abs=0.1)


def test_the_fit_is_that_of_an_unpenalised_logistic_regression() -> None:
    logits, labels = overconfident(seed=1)
    peer = LogisticRegression(C=1e6, tol=1e-8).fit(logits[:, None], labels)
    found = fit_calibration(logits, labels)
    assert 1 / found.temperature == pytest.approx(peer.coef_[0, 0], rel=1e-3)
    assert found.bias == pytest.approx(peer.intercept_[0], abs=1e-3)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-3, 3))
def test_no_other_temperature_and_bias_has_a_lower_loss(seed: int, factor: float, shift: float) -> None:
    logits, labels = overconfident(seed, count=200)
    best = fit_calibration(logits, labels)
    other = Calibration(best.temperature * factor, best.bias + shift)
    # The fit's tiny ridge may cost it as much as the slack.
    here = log_loss(best.probabilities(logits), labels)
    assert here <= log_loss(other.probabilities(logits), labels) + 1e-5


def test_logits_that_separate_the_classes_still_give_finite_numbers() -> None:
    found = fit_calibration([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1])
    assert np.isfinite([found.temperature, found.bias]).all()
    assert found.temperature > 0


def test_logits_that_point_the_wrong_way_keep_a_positive_temperature() -> None:
    assert fit_calibration([-2.0, -1.0, 1.0, 2.0], [1, 1, 0, 1]).temperature > 0


def test_without_calibration_a_probability_is_the_sigmoid_of_its_logit() -> None:
    assert Calibration().probabilities(np.array([0.0, np.log(3)])) == pytest.approx([0.5, 0.75])
