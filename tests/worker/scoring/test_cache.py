"""Repeated texts are computed once: their reviews get a kept result, or wait for the same one."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from model.predictor import TokenizedText
from tests.fakes.fake_predictor import FakePredictor
from tests.support.works import work
from worker.scoring.cache import ENTRY_BYTES, ResultCache
from worker.scoring.isolation import Poison, score_or_isolate
from worker.scoring.work import Work
from worker.wire.scored import Score

predictor = FakePredictor()
predictor.fail_on("poison")


@cache
def row(text: str, number: int = 0) -> Work:
    """Return a review; `number` distinguishes reviews of one text."""
    return work(text=predictor.tokenize([text])[0], number=number)


def computed(*rows: Work) -> list[tuple[Work, Score | Poison]]:
    """Return each row with the result of the engine."""
    results = score_or_isolate(predictor.predict, [one.text for one in rows])
    return list(zip(rows, results, strict=True))


def new_cache(max_bytes: int = 100_000) -> ResultCache:
    return ResultCache(max_bytes)


def test_a_text_is_computed_once_and_each_of_its_reviews_gets_the_result() -> None:
    first, again, later = (row("good", number) for number in range(3))
    kept = new_cache()
    asked = kept.ask([first, again])
    assert (asked.to_compute, asked.known, asked.joined) == ([first], [], 1)
    [(_, score)] = computed(first)
    assert kept.answer(computed(first)) == [(first, score), (again, score)]
    assert kept.ask([later]).known == [(later, score)]


def test_a_failure_is_shared_by_waiting_reviews_and_not_kept() -> None:
    first, again, later = (row("poison", number) for number in range(3))
    kept = new_cache()
    kept.ask([first, again])
    assert [(one, type(result)) for one, result in kept.answer(computed(first))] == [(first, Poison), (again, Poison)]
    assert kept.ask([later]).to_compute == [later]


@pytest.mark.parametrize(
    "other",
    [
        TokenizedText(np.array([1, 3], np.int32), unknown=0, truncated=False),
        TokenizedText(np.array([1, 2], np.int32), unknown=0, truncated=True),
        TokenizedText(np.array([1, 2], np.int32), unknown=0, truncated=False, known_share=0.5),
    ],
)
def test_texts_that_may_score_differently_do_not_share_a_result(other: TokenizedText) -> None:
    text = TokenizedText(np.array([1, 2], np.int32), unknown=0, truncated=False)
    assert len(new_cache().ask([work(text=text), work(text=other)]).to_compute) == 2


def test_the_least_recently_used_result_is_forgotten_first() -> None:
    kept = new_cache(max_bytes=2 * (ENTRY_BYTES + 4))
    for one in (row("old"), row("used")):
        kept.answer(computed(*kept.ask([one]).to_compute))
    assert kept.ask([row("old")]).known
    kept.answer(computed(*kept.ask([row("new")]).to_compute))
    assert [bool(kept.ask([row(text)]).known) for text in ("old", "new", "used")] == [True, True, False]


def test_withdrawing_a_review_returns_those_that_joined_it_and_the_next_is_computed() -> None:
    first, again, later = (row("good", number) for number in range(3))
    kept = new_cache()
    kept.ask([first, again])
    assert kept.joined_to(first) == [again]
    assert kept.withdraw(first) == [again]
    assert kept.ask([later]).to_compute == [later]


def test_clearing_forgets_everything_and_returns_the_joined_reviews() -> None:
    kept = new_cache()
    kept.answer(computed(*kept.ask([row("old")]).to_compute))
    first, again = row("good"), row("good", 1)
    kept.ask([first, again])
    assert kept.clear() == [again]
    assert (len(kept), kept.size_bytes) == (0, 0)
    assert kept.ask([row("old"), first]).to_compute == [row("old"), first]


@given(st.integers(0, 5000), st.lists(st.text("ab ", max_size=30), max_size=40))
def test_the_cache_stays_within_max_bytes(max_bytes: int, texts: list[str]) -> None:
    kept = new_cache(max_bytes)
    for text in texts:
        kept.answer(computed(*kept.ask([row(text)]).to_compute))
        assert kept.size_bytes <= max_bytes
        assert len(kept) * ENTRY_BYTES <= kept.size_bytes


class Asking(RuleBasedStateMachine):
    """Adds, computes and withdraws reviews in any order. Each gets one answer, the same as without a cache."""

    @initialize(max_bytes=st.integers(0, 3000))
    def begin(self, max_bytes: int) -> None:
        self.kept = new_cache(max_bytes)
        self.came = 0
        self.to_compute: list[Work] = []
        self.waiting: set[int] = set()

    @rule(texts=st.lists(st.sampled_from(["", "good", "bad film", "good film", "poison"]), max_size=6))
    def some_come(self, texts: list[str]) -> None:
        rows = [row(text, self.came + number) for number, text in enumerate(texts)]
        self.came += len(rows)
        self.waiting |= {one.record.offset for one in rows}
        asked = self.kept.ask(rows)
        assert len(asked.known) + len(asked.to_compute) + asked.joined == len(rows)
        self.answered(asked.known)
        self.to_compute += asked.to_compute

    @rule(data=st.data())
    def some_are_computed(self, data: st.DataObject) -> None:
        batch = data.draw(st.lists(st.sampled_from(self.to_compute), unique_by=id)) if self.to_compute else []
        self.leave(batch)
        self.answered(self.kept.answer(computed(*batch)))

    @rule(data=st.data())
    def one_is_withdrawn(self, data: st.DataObject) -> None:
        if self.to_compute:
            one = data.draw(st.sampled_from(self.to_compute))
            self.leave([one])
            self.waiting -= {one.record.offset, *(joined.record.offset for joined in self.kept.withdraw(one))}

    def leave(self, rows: list[Work]) -> None:
        leaving = {one.record.offset for one in rows}
        self.to_compute = [one for one in self.to_compute if one.record.offset not in leaving]

    def answered(self, answers: list[tuple[Work, Score]] | list[tuple[Work, Score | Poison]]) -> None:
        for one, result in answers:
            self.waiting.remove(one.record.offset)
            [(_, alone)] = computed(one)
            assert result == alone

    @invariant()
    def every_waiting_review_gets_an_answer_later(self) -> None:
        if hasattr(self, "kept"):
            waits_for = [*self.to_compute, *(one for leader in self.to_compute for one in self.kept.joined_to(leader))]
            assert self.waiting == {one.record.offset for one in waits_for}


TestAsking = Asking.TestCase
