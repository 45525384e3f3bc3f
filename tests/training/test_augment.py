import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from training import augment
from training.datasets import Example, text_key
from training.suite import read_suite

REVIEWS = (
    Example("a", 1, "A great film with a wonderful cast. We sat there and smiled all the way."),
    Example("b", 0, "Not good at all. The plot was stupid and boring.<br />Avoid this awful thing!"),
)


def undecided(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.full(len(texts), 0.5, np.float32)


def test_a_sentence_adds_up_what_its_words_and_its_review_say() -> None:
    def teacher(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([0.9 if "great" in text else 0.5 for text in texts], np.float32)

    found = {row.text: row for row in augment.sentences(REVIEWS, 99, random.Random(0), teacher)}
    great, smiled = found["A great film with a wonderful cast."], found["We sat there and smiled all the way."]
    assert great.id == smiled.id == "a"
    assert great.target > smiled.target > 0.5 > found["Avoid this awful thing!"].target


def test_no_more_sentences_are_made_than_asked_for_and_the_seed_chooses_them() -> None:
    first = augment.sentences(REVIEWS, 3, random.Random(0), undecided)
    assert len(first) == 3
    assert augment.sentences(REVIEWS, 3, random.Random(0), undecided) == first


def test_an_opposite_turns_every_polar_word_and_the_target() -> None:
    made = augment.opposites(REVIEWS * 20, 40, random.Random(1), undecided)
    assert made
    assert len(made) % 2 == 0
    for passage, turned in zip(made[::2], made[1::2], strict=True):
        assert passage.id == turned.id
        assert (passage.target > 0.5) == (passage.id == "a")
        assert passage.target + turned.target == pytest.approx(1)
        changed = {old for old, new in zip(passage.text.split(), turned.text.split(), strict=False) if old != new}
        assert changed
        for word in ("great", "wonderful", "good", "stupid", "awful"):
            assert not (word in passage.text.lower().split() and word in turned.text.lower().split())


def test_half_of_the_phrases_are_positive_and_no_slot_is_left_open() -> None:
    made = augment.phrases(400, random.Random(0))
    assert sum(row.target > 0.5 for row in made) == 200
    assert not any("{" in row.text for row in made)
    assert len({row.text for row in made}) > 300


def test_no_phrase_of_training_is_in_the_dev_suite() -> None:
    suite = {text_key(row.text) for rows in read_suite().values() for row in rows}
    assert suite.isdisjoint(text_key(row.text) for row in augment.phrases(20_000, random.Random(0)))


def test_a_passage_depends_on_its_review_alone() -> None:
    ids, texts = augment.passages(REVIEWS, 3)
    assert ids == ["a"] * 3 + ["b"] * 3
    assert augment.passages(REVIEWS[1:], 3) == (ids[3:], texts[3:])
    assert len(set(texts)) > 2
    for id_, text in zip(ids, texts, strict=True):
        whole = next(row.text for row in REVIEWS if row.id == id_).replace("<br />", " ")
        assert text
        assert text in whole


def test_a_passage_is_never_long() -> None:
    endless = Example("c", 0, "word " * 5_000)
    assert [len(text.split()) for text in augment.passages([endless, Example("d", 0, "")], 1)[1]] == [120, 0]
