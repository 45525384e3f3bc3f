"""Data sets, recipes, the training loop, evaluation and calibration. Its product is an artifact of `model`."""
