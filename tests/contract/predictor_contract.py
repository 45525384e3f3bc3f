"""What every predictor does: the contract of `model.predictor.Predictor` as tests. Inherit, give a `predictor`."""

import dataclasses
import string
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.predictor import Predictions, Predictor, score_texts

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # NUL, lone surrogates and emoji included
REVIEW = st.lists(
    st.sampled_from(
        ["the", "film", "was", "good", "bad", "don't", "see", "unheard-of", "10/10", "café", "<br />", "!"]
    ),
    max_size=30,
).map(" ".join)
TEXT = REVIEW | ANY_TEXT
PROPERTY = settings(deadline=None, max_examples=50)
ODD_TEXTS = ("", " ", "\0", "\ud800", "\udfff\ud800", "\u200b", "😀" * 5, "\n\t", "İ", "ﬁlm good", "a" * 5_000)


class PredictorContract:
    """Needs the fixture `predictor`, of a scope wider than one test."""

    def test_it_says_which_model_answers(self, predictor: Predictor) -> None:
        info = predictor.info
        assert info.name
        assert info.version
        assert len(info.sha256) == 64
        assert set(info.sha256) <= set(string.hexdigits.lower())
        assert info.engine
        assert 0 <= info.tolerance < 0.05

    @given(texts=st.lists(TEXT, max_size=12))
    @PROPERTY
    def test_each_text_gets_one_row_of_the_stated_types(self, predictor: Predictor, texts: list[str]) -> None:
        rows = predictor.tokenize(texts)
        predictions = predictor.predict(rows)
        assert len(rows) == len(predictions) == len(texts)
        assert all(row.ids.dtype == np.int32 and row.ids.shape == (len(row),) for row in rows)
        assert predictions.probabilities.dtype == np.float32
        assert predictions.tokens.dtype == np.int32
        assert predictions.truncated.dtype == predictions.out_of_domain.dtype == np.bool_
        for column in dataclasses.astuple(predictions):
            assert column.shape == (len(texts),)

    @given(texts=st.lists(TEXT, max_size=12))
    @PROPERTY
    def test_probabilities_are_finite_and_between_0_and_1(self, predictor: Predictor, texts: list[str]) -> None:
        probabilities = score_texts(predictor, texts).probabilities
        assert np.isfinite(probabilities).all()
        assert ((probabilities >= 0) & (probabilities <= 1)).all()

    @given(texts=st.lists(TEXT, max_size=12))
    @PROPERTY
    def test_every_other_field_is_that_of_the_tokenized_text(self, predictor: Predictor, texts: list[str]) -> None:
        rows = predictor.tokenize(texts)
        predictions = predictor.predict(rows)
        assert predictions.tokens.tolist() == [len(row) for row in rows]
        for name in {field.name for field in dataclasses.fields(Predictions)} - {"probabilities", "tokens"}:
            assert getattr(predictions, name).tolist() == [getattr(row, name) for row in rows], name

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:8]))
    def test_any_text_is_accepted(self, predictor: Predictor, text: str) -> None:
        assert len(score_texts(predictor, [text])) == 1

    def test_an_empty_batch_is_an_empty_answer(self, predictor: Predictor) -> None:
        assert len(predictor.predict([])) == 0

    def test_a_text_without_a_word_scores_one_half_in_any_company(self, predictor: Predictor) -> None:
        predictions = score_texts(predictor, ["", "the film was good", " \n "])
        assert predictions.probabilities[[0, 2]].tolist() == [0.5, 0.5]
        assert predictions.tokens[[0, 2]].tolist() == [0, 0]

    def test_a_text_over_the_limit_is_truncated_and_says_so(self, predictor: Predictor) -> None:
        short, long, longer = predictor.tokenize(["good film", "good film " * 10_000, "good film " * 20_000])
        assert not short.truncated
        assert long.truncated
        assert len(long) == len(longer)

    def test_a_truncated_text_is_scored(self, predictor: Predictor) -> None:
        assert score_texts(predictor, ["good film " * 10_000]).truncated.tolist() == [True]

    @given(texts=st.lists(TEXT, min_size=1, max_size=12))
    @PROPERTY
    def test_a_batch_scores_as_its_texts_do_alone(self, predictor: Predictor, texts: list[str]) -> None:
        together = score_texts(predictor, texts).probabilities
        alone = [score_texts(predictor, [text]).probabilities[0] for text in texts]
        assert np.abs(together - alone).max() <= predictor.info.tolerance

    @given(texts=st.lists(TEXT, min_size=2, max_size=12), data=st.data())
    @PROPERTY
    def test_the_order_of_texts_changes_no_score(
        self, predictor: Predictor, texts: list[str], data: st.DataObject
    ) -> None:
        order = data.draw(st.permutations(range(len(texts))))
        given_order = score_texts(predictor, texts).probabilities
        other_order = score_texts(predictor, [texts[i] for i in order]).probabilities
        assert np.abs(other_order - given_order[order]).max() <= predictor.info.tolerance

    @given(text=TEXT, company=st.lists(TEXT, max_size=40))
    @PROPERTY
    def test_the_company_of_other_texts_changes_no_score(
        self, predictor: Predictor, text: str, company: list[str]
    ) -> None:
        alone = score_texts(predictor, [text]).probabilities[0]
        with_others = score_texts(predictor, [*company, text]).probabilities[-1]
        assert abs(with_others - alone) <= predictor.info.tolerance

    def test_different_reviews_score_differently(self, predictor: Predictor) -> None:
        probabilities = score_texts(predictor, ["good", "bad", "the film was good !", "don't see it"]).probabilities
        assert len(set(probabilities.tolist())) > 1

    def test_warming_up_changes_no_score(self, predictor: Predictor) -> None:
        before = score_texts(predictor, ["the film was good"]).probabilities
        predictor.warm_up()
        assert score_texts(predictor, ["the film was good"]).probabilities == pytest.approx(
            before, abs=predictor.info.tolerance
        )

    def test_many_threads_may_tokenize_at_once(self, predictor: Predictor) -> None:
        texts = [f"the film was good {n} bad" for n in range(50)]
        expected = predictor.tokenize(texts)
        with ThreadPoolExecutor(8) as pool:
            for rows in pool.map(predictor.tokenize, [texts] * 16):
                assert [row.ids.tolist() for row in rows] == [row.ids.tolist() for row in expected]
