"""The shipped model flags texts that are not English reviews, and draws their scores towards 0.5."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.demo.sample import read_sample
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.predictor import Predictor, TokenizedText

FOREIGN = {
    "Chinese": "这部电影非常好看，我很喜欢。",
    "Chinese, excited": "太好看了!!!",
    "Russian": "Отличный фильм, очень советую!",
    "Russian, excited": "Отличный!!! Супер!!!",
    "Arabic": "فيلم رائع",
    "Spanish": "La película fue maravillosa y los actores estuvieron geniales.",
    "French": "Ce film est magnifique, j'ai adoré chaque minute.",
    "German": "Der Film war langweilig und viel zu lang, leider keine Empfehlung.",
}
GIBBERISH = {"keys": "asdkj qwlkej zxmcn qwpoei", "emoji": "😀😀", "marks": "!!!?!", "nothing": "", "blanks": " \n\t "}
ENGLISH = ("Good.", "An honest, moving film!", "I don't like it.", "10/10", "Worst purchase ever!!!", "Would you?")

WORD = st.sampled_from(["the", "film", "wonderful", "awful", "not", "10/10", "!", "?", "qwlkej", "zxmcn", "太好看了"])


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return load_predictor(DEFAULT_ARTIFACT, device="cpu", threads=1)


@pytest.mark.parametrize("text", [*FOREIGN.values(), *GIBBERISH.values()], ids=[*FOREIGN, *GIBBERISH])
def test_another_language_gibberish_and_nothing_are_flagged_and_score_near_one_half(
    shipped: Predictor, text: str
) -> None:
    [row] = shipped.tokenize([text])
    predictions = shipped.predict([row])
    assert row.evidence < 0.4
    assert predictions.out_of_domain.tolist() == [True]
    assert abs(predictions.probabilities[0] - 0.5) < 0.2


def test_short_english_texts_are_not_flagged_and_judged_in_full(shipped: Predictor) -> None:
    assert flags_and_evidence(shipped.tokenize(ENGLISH)) == [(False, 1.0)] * len(ENGLISH)


def test_no_review_of_the_demo_is_flagged(shipped: Predictor) -> None:
    rows = shipped.tokenize([review.text for review in read_sample()])
    assert not any(row.out_of_domain for row in rows)


@given(texts=st.lists(st.lists(WORD, max_size=12).map(" ".join), min_size=1, max_size=12))
@settings(deadline=None, max_examples=50)
def test_a_score_is_as_far_from_one_half_as_the_evidence_allows(shipped: Predictor, texts: list[str]) -> None:
    rows = shipped.tokenize(texts)
    predictions = shipped.predict(rows)
    for row, probability, flagged in zip(rows, predictions.probabilities, predictions.out_of_domain, strict=True):
        assert abs(probability - 0.5) <= row.evidence / 2 + shipped.info.tolerance
        assert not flagged or row.evidence < 0.75


def flags_and_evidence(rows: list[TokenizedText]) -> list[tuple[bool, float]]:
    return [(row.out_of_domain, row.evidence) for row in rows]
