"""The dev suite: short sets that are this project's own, beside the dev reviews of films and other domains.

They are written by hand for this project and learned from by nothing: sentences of many domains, negations and
contrasts, pairs of a short review and its rewritten opposite, and dev reviews with an edited twin of the other label.
"""

import json
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from training.analysis import Scores
from training.datasets import Example, Splits, example_from_json

SENTENCES = "sentences"
NEGATION = "negation and contrast"
_DOMAIN = "dev: "  # before the name of another domain
PAIRS = "opposite pairs"
EDITED = "edited reviews"
_FILES = {SENTENCES: "sentences.jsonl", NEGATION: "negation.jsonl", PAIRS: "pairs.jsonl", EDITED: "edited.jsonl"}
_PAIRED = (PAIRS, EDITED)


def read_suite() -> dict[str, tuple[Example, ...]]:
    """Name of a set -> its texts. In `PAIRS` and `EDITED` each text is followed by its opposite."""
    return {name: _read(file) for name, file in _FILES.items()}


def dev_sets(splits: Splits) -> dict[str, tuple[Example, ...]]:
    """Name of a set -> its texts: dev, the dev sets of other domains, and this suite."""
    domains = {f"{_DOMAIN}{name}": rows for name, rows in splits.domains_dev.items()}
    return {"dev": splits.dev, **domains, **read_suite()}


def suite_shares(scores: Mapping[str, Scores]) -> dict[str, float]:
    """What the scores of the suite's sets come to: how many texts are right, and of how many pairs both.

    With the scores of dev sets of other domains also their mean.
    """
    shares = {name: float(np.mean(scores[name].right)) for name in (SENTENCES, NEGATION)}
    shares |= {f"{name}, both right": both_right(scores[name]) for name in _PAIRED}
    domains = [float(np.mean(one.right)) for name, one in scores.items() if name.startswith(_DOMAIN)]
    return shares | ({"other domains, mean": float(np.mean(domains))} if domains else {})


def pairs_by_kind(pairs: Scores) -> dict[str, tuple[int, float]]:
    """What an opposite hangs on -> how many of `PAIRS` do so, and of which share both are right."""
    kinds = np.array([row.id.split("/")[2] for row in pairs.reviews])
    return {
        kind: (int(np.sum(kinds == kind)) // 2, both_right(pairs.where(kinds == kind))) for kind in np.unique(kinds)
    }


def both_right(pairs: Scores) -> float:
    """Share of pairs, two neighbouring texts each, of which both are on the right side of 0.5."""
    return float(np.mean(pairs.right.reshape(-1, 2).all(axis=1)))


def _read(file: str) -> tuple[Example, ...]:
    lines = files("training").joinpath("suite", file).read_text("utf-8").splitlines()
    return tuple(example_from_json(json.loads(line)) for line in lines)
