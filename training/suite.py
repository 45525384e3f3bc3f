"""The dev suite: small sets of this project, in addition to the dev reviews of films and other domains.

They are written by hand, and never used for training: sentences of many domains, negations and contrasts, pairs of
a short review and its opposite, and dev reviews paired with an edited copy of the other label.
"""

import json
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from training.analysis import Scores
from training.datasets import Example, Splits, example_from_json

SENTENCES = "sentences"
NEGATION = "negation and contrast"
_DOMAIN = "dev: "  # precedes the name of another domain
PAIRS = "opposite pairs"
EDITED = "edited reviews"
_FILES = {SENTENCES: "sentences.jsonl", NEGATION: "negation.jsonl", PAIRS: "pairs.jsonl", EDITED: "edited.jsonl"}
_PAIRED = (PAIRS, EDITED)


def read_suite() -> dict[str, tuple[Example, ...]]:
    """Name of a set -> its texts. In `PAIRS` and `EDITED` each text is followed by its opposite."""
    texts = {name: files("training").joinpath("suite", file).read_text("utf-8") for name, file in _FILES.items()}
    return {
        name: tuple(example_from_json(json.loads(line)) for line in text.splitlines()) for name, text in texts.items()
    }


def dev_sets(splits: Splits) -> dict[str, tuple[Example, ...]]:
    """Name of a set -> its texts: dev, the dev sets of other domains, and this suite."""
    domains = {f"{_DOMAIN}{name}": rows for name, rows in splits.domains_dev.items()}
    return {"dev": splits.dev, **domains, **read_suite()}


def suite_shares(scores: Mapping[str, Scores]) -> dict[str, float]:
    """The share of texts that are right, of pairs of which both are, and the mean over other domains if scored."""
    shares = {name: float(np.mean(scores[name].right)) for name in (SENTENCES, NEGATION)}
    shares |= {f"{name}, both right": both_right(scores[name]) for name in _PAIRED}
    domains = [float(np.mean(one.right)) for name, one in scores.items() if name.startswith(_DOMAIN)]
    return shares | ({"other domains, mean": float(np.mean(domains))} if domains else {})


def pairs_by_kind(pairs: Scores) -> dict[str, tuple[int, float]]:
    """Kind of opposite -> number of its `PAIRS`, and the share of which both texts are right."""
    kinds = np.array([row.id.split("/")[2] for row in pairs.reviews])
    return {
        kind: (int(np.sum(kinds == kind)) // 2, both_right(pairs.where(kinds == kind))) for kind in np.unique(kinds)
    }


def both_right(pairs: Scores) -> float:
    """The share of pairs, two consecutive texts each, of which both are on the right side of 0.5."""
    return float(np.mean(pairs.right.reshape(-1, 2).all(axis=1)))
