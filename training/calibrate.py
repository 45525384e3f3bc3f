"""Fits the two numbers that turn a network's logit into a probability one can believe (Platt 1999)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.artifact import Calibration

_ITERATIONS = 100
_CONVERGED_STEP = 1e-10
_RIDGE = 1e-6  # keeps the optimum finite where the logits separate the classes
_SMALLEST_SLOPE = 1e-3


def fit_calibration(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """The temperature and bias with the least log-loss of sigmoid(logit / temperature + bias).

    `logits` and `labels` (0 or 1) have shape (B,). Damped Newton on slope = 1 / temperature and bias: the
    problem is convex. Logits that do not rise with the labels cannot be calibrated by a positive temperature:
    the slope stops at 0.001.
    """
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    design = np.stack([z, np.ones_like(z)], axis=1)
    parameters = np.array([1.0, 0.0])
    for _ in range(_ITERATIONS):
        step = _descend(design, y, parameters)
        parameters = parameters + step
        if np.abs(step).max() < _CONVERGED_STEP:
            break
    slope, bias = max(float(parameters[0]), _SMALLEST_SLOPE), float(parameters[1])
    return Calibration(temperature=1 / slope, bias=bias)


def apply_calibration(logits: ArrayLike, calibration: Calibration) -> NDArray[np.float64]:
    """P(positive) of each logit, same shape."""
    scaled = np.asarray(logits, np.float64) / calibration.temperature + calibration.bias
    return _sigmoid(scaled)


def _descend(
    design: NDArray[np.float64], y: NDArray[np.float64], parameters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One Newton step, halved until it does not raise the loss."""
    p = _sigmoid(design @ parameters)
    gradient = design.T @ (p - y) / len(y) + _RIDGE * parameters
    hessian = (design * (p * (1 - p))[:, None]).T @ design / len(y) + _RIDGE * np.eye(2)
    step = np.asarray(-np.linalg.solve(hessian, gradient), np.float64)
    here = _loss(design, y, parameters)
    while np.abs(step).max() > _CONVERGED_STEP and _loss(design, y, parameters + step) > here:
        step = step / 2
    return step


def _loss(design: NDArray[np.float64], y: NDArray[np.float64], parameters: NDArray[np.float64]) -> float:
    z = design @ parameters
    return float(np.mean(np.logaddexp(0, z) - y * z) + _RIDGE / 2 * parameters @ parameters)


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0, -z))
