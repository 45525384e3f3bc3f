"""Short training texts, made of the labelled reviews and of phrases: single sentences, opposites, negations.

A network that has read only whole reviews judges a sentence by its strongest word. None of these texts can leak
held-out data: they come from training reviews, whose ids they keep, and from `lists/phrases.toml`.
"""

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from training.datasets import Example

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORDS_AND_GAPS = re.compile(r"[A-Za-z']+|[^A-Za-z']+")
_SHORTEST, _LONGEST = 4, 40  # words of a sentence
_SHARE_OF_TEMPLATES = 0.8  # the rest are whole sentences of the list
_LONGEST_PASSAGE = 5  # sentences
_MOST_WORDS = 120  # of a passage
_WORDS_AND_GAPS_PER_POLAR_WORD = 30  # at most: a passage with fewer polar words is not reversed by replacing them
_SURE = 0.95  # P(label) of a phrase
_LABEL_LOGIT = 1.0  # log-odds that a review's label adds to those of a sentence's own words
_PAIR_LABEL_LOGIT = 2.0  # the same for a passage with polar words
_TEACHER_GAIN = 1.5  # a teacher fitted on whole reviews is underconfident on parts of them

Teacher = Callable[[Sequence[str]], NDArray[np.float32]]  # texts to P(positive), (B,)


@dataclass(frozen=True, slots=True)
class SoftText:
    """A training text with a soft label."""

    id: str  # of the review that it comes from, else "phrase/..."
    text: str
    target: float  # P(positive)


def sentences(reviews: Sequence[Example], count: int, rng: random.Random, teacher: Teacher) -> list[SoftText]:
    """At most `count` sentences of labelled reviews, each with the evidence of its words and of its review's label."""
    drawn = [(row, sentence) for row in reviews for sentence in _sentences(row.text)]
    drawn = rng.sample(drawn, min(count, len(drawn)))
    labels = [int(row.label or 0) for row, _ in drawn]
    return _weighed(
        [row.id for row, _ in drawn], [sentence for _, sentence in drawn], labels, teacher, label_logit=_LABEL_LOGIT
    )


def opposites(reviews: Sequence[Example], count: int, rng: random.Random, teacher: Teacher) -> list[SoftText]:
    """At most `count` pairs: some sentences of a labelled review, and the same with every polar word reversed.

    "not good" becomes "not bad". Meaning that no list of words can reverse is left to the teacher's evidence.
    """
    antonyms = _antonyms(_phrases())
    ids: list[str] = []
    texts: list[str] = []
    labels: list[int] = []
    for row in rng.sample(list(reviews), len(reviews)):
        if len(ids) >= 2 * count:
            break
        parts = _sentences(row.text)
        start = rng.randrange(max(len(parts), 1))
        words = _WORDS_AND_GAPS.findall(" ".join(parts[start : start + rng.randint(1, _LONGEST_PASSAGE)]))
        polar = [i for i, word in enumerate(words) if word.lower() in antonyms]
        if not polar or len(words) > _WORDS_AND_GAPS_PER_POLAR_WORD * len(polar):
            continue
        turned = list(words)
        for i in polar:
            turned[i] = rng.choice(antonyms[words[i].lower()])
        ids += [row.id, row.id]
        texts += ["".join(words), "".join(turned)]
        labels += [int(row.label or 0), 1 - int(row.label or 0)]
    return _weighed(ids, texts, labels, teacher, label_logit=_PAIR_LABEL_LOGIT)


def passages(reviews: Sequence[Example], each: int) -> tuple[list[str], list[str]]:
    """`each` parts of every review, of one to five consecutive sentences: their reviews' ids, and the texts.

    The choice depends on the review alone, so an expert can label the same parts beforehand.
    """
    ids: list[str] = []
    texts: list[str] = []
    for row in reviews:
        parts = _parts(row.text)
        for number in range(each):
            rng = random.Random(f"{row.id}/{number}")  # noqa: S311 (a sample, not a secret)
            length = rng.choice((1, 1, 2, 2, 3, 4, _LONGEST_PASSAGE))
            start = rng.randint(0, max(len(parts) - length, 0))
            ids.append(row.id)
            texts.append(" ".join(" ".join(parts[start : start + length]).split()[:_MOST_WORDS]))
    return ids, texts


def phrases(count: int, rng: random.Random) -> list[SoftText]:
    """`count` short texts with negations and contrasts, half of them positive."""
    material = _phrases()
    made = []
    for number in range(count):
        own, other = ("positive", "negative") if number % 2 else ("negative", "positive")
        if rng.random() < _SHARE_OF_TEMPLATES:
            template = rng.choice(material["templates"]["both"])
        else:
            template = f"{rng.choice(material['sentences'][own])} {rng.choice(['', '', '{verdict}.'])}".rstrip()
        text = template.format(
            adjective=rng.choice(material["words"][own]),
            opposite=rng.choice(material["words"][other]),
            noun=rng.choice(material["words"]["noun"]),
            verdict=rng.choice(material["verdicts"][own]),
        )
        made.append(SoftText(f"phrase/{number}", text, _SURE if number % 2 else 1 - _SURE))
    return made


def _sentences(text: str) -> list[str]:
    return [part for part in _parts(text) if _SHORTEST <= len(part.split()) <= _LONGEST]


def _parts(text: str) -> list[str]:
    """All sentences, of any length."""
    parts: list[str] = _SENTENCE_END.split(text.replace("<br />", " ").strip())
    return parts


def _antonyms(material: dict[str, Any]) -> dict[str, list[str]]:
    """Polar word -> its opposites, in both directions."""
    opposites: dict[str, list[str]] = {}
    for pair in material["antonyms"]:
        for word, opposite in (pair, reversed(pair)):
            opposites.setdefault(word, []).append(opposite)
    return opposites


def _weighed(
    ids: Sequence[str], texts: Sequence[str], labels: Sequence[int], teacher: Teacher, *, label_logit: float
) -> list[SoftText]:
    """Targets from the sum, as log-odds, of the teacher's opinion of the words and of the review's label."""
    p = np.clip(teacher(texts).astype(np.float64), 1e-5, 1 - 1e-5)
    targets = expit(_TEACHER_GAIN * logit(p) + label_logit * (2 * np.asarray(labels) - 1))
    return [SoftText(id_, text, float(target)) for id_, text, target in zip(ids, texts, targets, strict=True)]


def _phrases() -> dict[str, Any]:
    return tomllib.loads(files("training").joinpath("lists", "phrases.toml").read_text("utf-8"))
