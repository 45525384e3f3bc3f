"""The threads that compute beside the loop."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from model.errors import EngineBroken
from model.predictor import Predictions, TokenizedText
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import until
from worker.batcher import Batch, Trigger
from worker.inference import InferenceThreads, ScoredBatch

LIMIT_S = 30.0


@dataclass(frozen=True)
class Row:
    """A review of one word."""

    text: TokenizedText
    arrived_s: float = 0.0
    tokens: int = 1


class Watched(FakePredictor):
    """Knows how many batches are computed at present, and how many were at most."""

    def __init__(self, batches_at_once: int) -> None:
        super().__init__()
        self.info = replace(self.info, batches_at_once=batches_at_once)
        self.computing = self.most = 0
        self._counting = threading.Lock()

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """See Predictor."""
        with self._counting:
            self.computing += 1
            self.most = max(self.most, self.computing)
        try:
            return super().predict(rows)
        finally:
            with self._counting:
                self.computing -= 1


@contextmanager
def running(predictor: FakePredictor) -> Iterator[InferenceThreads[Row]]:
    engine = InferenceThreads[Row](predictor, isolation_timeout_s=LIMIT_S)
    engine.start()
    until(lambda: engine.warm, LIMIT_S, "the engine is warm")
    yield engine
    predictor.gate.set()
    engine.close(timeout_s=LIMIT_S)


def batch_of(predictor: FakePredictor, text: str) -> Batch[Row]:
    return Batch(tuple(Row(row) for row in predictor.tokenize([text])), Trigger.IDLE)


def collected(engine: InferenceThreads[Row]) -> ScoredBatch[Row]:
    scored = engine.collect(timeout_s=LIMIT_S)
    assert scored is not None
    return scored


def test_two_batches_are_computed_at_once_where_the_engine_takes_two() -> None:
    predictor = Watched(batches_at_once=2)
    with running(predictor) as engine:
        predictor.gate.clear()
        for text in ("one", "two"):
            engine.submit(batch_of(predictor, text))
        assert not engine.has_room
        until(lambda: predictor.computing == 2, LIMIT_S, "both are computed")
        predictor.gate.set()
        results = [collected(engine).results for _ in range(2)]
        assert engine.idle
    alone = FakePredictor()
    expected = [alone.predict(alone.tokenize([text])).probabilities[0] for text in ("one", "two")]
    assert sorted(score.probability for [score] in results) == sorted(expected)  # type: ignore[union-attr]


def test_an_engine_that_takes_one_gets_the_next_when_that_is_done() -> None:
    predictor = Watched(batches_at_once=1)
    with running(predictor) as engine:
        for text in ("one", "two"):
            engine.submit(batch_of(predictor, text))
        for _ in range(2):
            collected(engine)
    assert predictor.most == 1


def test_what_was_computed_at_once_is_counted_once() -> None:
    predictor = Watched(batches_at_once=2)
    with running(predictor) as engine:
        predictor.gate.clear()
        began_s = time.perf_counter()
        for text in ("one", "two"):
            engine.submit(batch_of(predictor, text))
        until(lambda: predictor.computing == 2, LIMIT_S, "both are computed")
        predictor.gate.set()
        inference_s = [collected(engine).inference_s for _ in range(2)]
        assert 0 < sum(inference_s) <= time.perf_counter() - began_s


@pytest.mark.parametrize("batches_at_once", [1, 2])
def test_what_breaks_the_engine_is_raised_by_the_loop(batches_at_once: int) -> None:
    predictor = Watched(batches_at_once)
    with running(predictor) as engine:
        predictor.break_with(EngineBroken("the fake is broken"))
        for text in ("one", "two"):
            engine.submit(batch_of(predictor, text))
        with pytest.raises(EngineBroken, match="the fake is broken"):
            engine.collect(timeout_s=LIMIT_S)


def test_after_close_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    with running(Watched(batches_at_once=2)):
        assert len(set(threading.enumerate()) - before) == 2
    assert set(threading.enumerate()) == before
