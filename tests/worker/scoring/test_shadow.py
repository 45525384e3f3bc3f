"""A shadow model is compared with the live one, and does not affect the worker."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import EngineBroken
from model.predictor import score_texts
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import until
from tests.worker.rig import LIMIT_S, Rig, review, turn_until
from worker.broker.contract import Record, TopicPartition
from worker.scoring.shadow import ModelShadow, is_chosen
from worker.wire.scored import Score

TEXTS = [f"film {number}" for number in range(8)]


class CountedComparisons:
    """See Comparisons."""

    def __init__(self) -> None:
        self.pairs: list[tuple[float, float]] = []
        self.failures = 0
        self.left_out = 0

    def compared(self, live: Sequence[float], shadow: Sequence[float]) -> None:
        self.pairs += zip(live, shadow, strict=True)

    def failed(self, reviews: int) -> None:
        self.failures += reviews

    def skipped(self, reviews: int) -> None:
        self.left_out += reviews


class ShadowRig:
    """A shadow model and its comparisons."""

    def __init__(self, *, share: float = 1.0) -> None:
        self.predictor = FakePredictor("2")
        self.counted = CountedComparisons()
        self.shadow = ModelShadow(self.predictor, share=share, comparisons=self.counted)

    def offer(self, *texts: str) -> None:
        partition = TopicPartition("reviews.raw", 0)
        records = [Record(partition, offset, None, b"k", review(text)) for offset, text in enumerate(texts)]
        self.shadow.offer(records, [Score(offset / 10, 1, False, False) for offset in range(len(texts))])


def test_the_scores_of_both_models_for_the_same_review_are_compared() -> None:
    opened = ShadowRig()
    opened.shadow.start()
    opened.offer(*TEXTS)
    opened.shadow.close(timeout_s=LIMIT_S)
    expected = score_texts(opened.predictor, TEXTS).probabilities.tolist()
    assert opened.counted.pairs == [(offset / 10, found) for offset, found in enumerate(expected)]


def test_a_slow_shadow_skips_reviews_and_does_not_block() -> None:
    opened = ShadowRig()
    opened.predictor.gate.clear()
    opened.shadow.start()
    opened.offer(*TEXTS)
    for _ in range(100):
        opened.offer(*TEXTS)
    opened.predictor.gate.set()
    opened.shadow.close(timeout_s=LIMIT_S)
    compared = len(opened.counted.pairs)
    assert compared + opened.counted.left_out == 101 * len(TEXTS)
    assert compared <= 2 * len(TEXTS)  # one batch computed, one waiting


def test_a_batch_that_the_shadow_fails_on_is_counted_and_the_next_is_compared() -> None:
    opened = ShadowRig()
    opened.predictor.fail_on("poison")
    opened.shadow.start()
    opened.offer("poison", "film")
    until(lambda: opened.counted.failures == 2, LIMIT_S, "the failure is counted")
    opened.offer("film")
    opened.shadow.close(timeout_s=LIMIT_S)
    assert len(opened.counted.pairs) == 1


def test_a_broken_shadow_logs_once_and_skips_all_reviews(caplog: pytest.LogCaptureFixture) -> None:
    opened = ShadowRig()
    opened.predictor.break_with(EngineBroken("no memory left on the device"))
    opened.shadow.start()
    until(lambda: "no memory left" in caplog.text, LIMIT_S, "the error is logged")
    opened.offer(*TEXTS)
    opened.offer(*TEXTS)
    opened.shadow.close(timeout_s=LIMIT_S)
    assert opened.counted.left_out == 2 * len(TEXTS)
    assert len(caplog.records) == 1


@given(share=st.floats(0.01, 1.0), first=st.integers(0, 2**40))
def test_about_the_set_share_is_chosen_at_any_offset(share: float, first: int) -> None:
    chosen = sum(is_chosen(offset, share) for offset in range(first, first + 1000))
    assert chosen == pytest.approx(1000 * share, abs=10)


def test_a_worker_publishes_live_scores_and_counts_how_the_shadow_compares() -> None:
    rig = Rig(partitions=1, shadow_share=1.0)
    rig.send(*[review(text) for text in TEXTS])
    rig.run_until_empty()
    assert {record.value is not None and b'"version":"1"' in record.value for record in rig.scored()} == {True}
    live = score_texts(rig.predictor, TEXTS).probabilities
    shadow = score_texts(rig.next_predictor, TEXTS).probabilities
    agreeing = int(sum((live >= 0.5) == (shadow >= 0.5)))
    assert rig.metric("sentiment_shadow_reviews_total", result="agrees") == agreeing
    assert rig.metric("sentiment_shadow_reviews_total", result="differs") == len(TEXTS) - agreeing
    assert rig.metric("sentiment_shadow_difference_sum") == pytest.approx(float(abs(live - shadow).sum()), abs=1e-5)


def test_a_hanging_shadow_does_not_stop_the_worker() -> None:
    rig = Rig(partitions=1, shadow_share=1.0)
    rig.next_predictor.gate = threading.Event()
    rig.worker.start()
    rig.send(*[review(text) for text in TEXTS])
    turn_until(rig, lambda: len(rig.scored()) == len(TEXTS), "all are scored")
    rig.next_predictor.gate.set()
