"""Fits the two numbers that turn a network's logit into a calibrated probability (Platt 1999)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from model.artifact import Calibration

_LARGEST_GRADIENT = 1e-10  # at the optimum
_RIDGE = 1e-6  # keeps the optimum finite where the logits separate the classes
_SMALLEST_SLOPE = 1e-3

Floats = NDArray[np.float64]


def fit_calibration(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """The temperature and bias with the least log-loss of sigmoid(logit / temperature + bias).

    `logits` and `labels` (0 or 1) have shape (B,). The problem is convex in slope = 1 / temperature and bias.
    Logits that do not rise with the labels would need a negative temperature: the slope stops at 0.001.
    """
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    design = np.stack([z, np.ones_like(z)], axis=1)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scaled = design @ parameters
        value = np.mean(np.logaddexp(0, scaled) - y * scaled) + _RIDGE / 2 * parameters @ parameters
        return float(value), design.T @ (expit(scaled) - y) / len(y) + _RIDGE * parameters

    def hessian(parameters: Floats) -> Floats:
        p = expit(design @ parameters)
        return np.asarray((design * (p * (1 - p))[:, None]).T @ design / len(y) + _RIDGE * np.eye(2))

    start = np.array([1.0, 0.0])
    fitted = minimize(loss, start, jac=True, hess=hessian, method="trust-exact", options={"gtol": _LARGEST_GRADIENT})
    slope, bias = fitted.x
    return Calibration(temperature=1 / max(float(slope), _SMALLEST_SLOPE), bias=float(bias))
