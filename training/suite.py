"""The dev suite: short sets that are this project's own, beside the dev reviews of films and other domains.

They are written by hand for this project and learned from by nothing: sentences of many domains, negations and
contrasts, and pairs of a short review and its rewritten opposite.
"""

import json
from importlib.resources import files

import numpy as np

from training.datasets import Example, example_from_json
from training.evaluate import Floats

SENTENCES = "sentences"
NEGATION = "negation and contrast"
PAIRS = "opposite pairs"
_FILES = {SENTENCES: "sentences.jsonl", NEGATION: "negation.jsonl", PAIRS: "pairs.jsonl"}


def read_suite() -> dict[str, tuple[Example, ...]]:
    """Name of a set -> its texts. In `PAIRS` each text is followed by its opposite."""
    return {name: _read(file) for name, file in _FILES.items()}


def both_right(probabilities: Floats, labels: Floats) -> float:
    """Share of pairs, two neighbouring entries each, of which both are on the right side of 0.5."""
    right = (probabilities >= 0.5) == (labels == 1)
    return float(np.mean(right.reshape(-1, 2).all(axis=1)))


def _read(file: str) -> tuple[Example, ...]:
    lines = files("training").joinpath("suite", file).read_text("utf-8").splitlines()
    return tuple(example_from_json(json.loads(line)) for line in lines)
