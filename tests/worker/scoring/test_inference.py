"""The threads that compute beside the loop."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from model.errors import EngineBroken
from model.predictor import Predictions, Predictor, TokenizedText
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import let_pass, until
from tests.support.works import work
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import BackgroundEngine, ScoredBatch

LIMIT_S = 30.0
HELD_S = 0.2


class CountingPredictor(FakePredictor):
    """Counts the batches that it computes at the moment."""

    def __init__(self, batches_at_once: int) -> None:
        super().__init__()
        self.info = replace(self.info, batches_at_once=batches_at_once)
        self.computing = 0
        self._counting = threading.Lock()

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """See Predictor."""
        with self._counting:
            self.computing += 1
        try:
            return super().predict(rows)
        finally:
            with self._counting:
                self.computing -= 1


@contextmanager
def running(predictor: FakePredictor) -> Iterator[BackgroundEngine]:
    engine = BackgroundEngine(predictor, isolation_timeout_s=LIMIT_S)
    engine.start()
    try:
        until(lambda: engine.warm, LIMIT_S, "the engine is warm")
        yield engine
    finally:
        predictor.gate.set()
        engine.close(timeout_s=LIMIT_S)


def counting_threads() -> Callable[[], int]:
    """Return a function that counts the inference threads started from now on, because other tests leave some."""
    before = set(threading.enumerate())
    return lambda: sum(thread.name.startswith("inference-") for thread in set(threading.enumerate()) - before)


def batch_of(predictor: Predictor, text: str, *, arrived_s: float = 0.0) -> Batch:
    return Batch(tuple(work(arrived_s=arrived_s, text=row) for row in predictor.tokenize([text])), Trigger.IDLE)


def submit_two(engine: BackgroundEngine, *, arrived_s: float = 0.0) -> None:
    for text in ("one", "two"):
        engine.submit(batch_of(engine.predictor, text, arrived_s=arrived_s))


def collected(engine: BackgroundEngine) -> ScoredBatch:
    scored = engine.collect(timeout_s=LIMIT_S)
    assert scored is not None
    return scored


def test_two_batches_are_computed_at_once_if_the_predictor_can() -> None:
    predictor = CountingPredictor(batches_at_once=2)
    with running(predictor) as engine:
        predictor.gate.clear()
        submit_two(engine)
        assert not engine.has_room
        until(lambda: predictor.computing == 2, LIMIT_S, "both are computed")
        predictor.gate.set()
        results = [collected(engine).results for _ in range(2)]
        assert engine.idle
    alone = FakePredictor()
    expected = [alone.predict(alone.tokenize([text])).probabilities[0] for text in ("one", "two")]
    assert sorted(score.probability for [score] in results) == sorted(expected)  # type: ignore[union-attr]


def test_a_predictor_of_one_batch_at_once_gets_the_second_after_the_first() -> None:
    predictor = CountingPredictor(batches_at_once=1)
    threads = counting_threads()
    with running(predictor) as engine:
        assert threads() == 1
        predictor.gate.clear()
        submit_two(engine)
        until(lambda: predictor.computing == 1, LIMIT_S, "the first is computed")
        predictor.gate.set()
        for _ in range(2):
            collected(engine)


def test_two_batches_at_once_share_the_engine_time_between_them() -> None:
    predictor = CountingPredictor(batches_at_once=2)
    with running(predictor) as engine:
        predictor.gate.clear()
        began_s = time.monotonic()
        submit_two(engine, arrived_s=began_s)
        until(lambda: predictor.computing == 2, LIMIT_S, "both are computed")
        let_pass(HELD_S)
        predictor.gate.set()
        both = [collected(engine) for _ in range(2)]
        took_s = time.monotonic() - began_s
    assert all(HELD_S <= scored.inference_s <= took_s for scored in both)
    assert HELD_S <= sum(scored.engine_s for scored in both) <= took_s
    assert all(scored.waited_s(began_s + took_s) <= took_s - HELD_S for scored in both)


@pytest.mark.parametrize("batches_at_once", [1, 2])
def test_collect_raises_the_error_that_broke_the_engine(batches_at_once: int) -> None:
    predictor = CountingPredictor(batches_at_once)
    with running(predictor) as engine:
        predictor.break_with(EngineBroken("the fake is broken"))
        submit_two(engine)
        with pytest.raises(EngineBroken, match="the fake is broken"):
            engine.collect(timeout_s=LIMIT_S)


def test_an_error_is_raised_while_another_batch_hangs_and_close_does_not_wait() -> None:
    predictor = CountingPredictor(batches_at_once=2)
    predictor.hold_on("stuck")
    with running(predictor) as engine:
        predictor.gate.clear()
        engine.submit(batch_of(predictor, "stuck"))
        until(lambda: predictor.computing == 1, LIMIT_S, "the one that hangs is computed")
        predictor.break_with(EngineBroken("the fake is broken"))
        engine.submit(batch_of(predictor, "good"))
        with pytest.raises(EngineBroken):
            engine.collect(timeout_s=LIMIT_S)
        engine.close(timeout_s=0)


def test_collect_raises_if_the_system_refuses_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        if thread.name == "inference-1":
            raise RuntimeError("can't start new thread")
        start_thread(thread)

    start_thread = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    engine = BackgroundEngine(CountingPredictor(batches_at_once=2), isolation_timeout_s=LIMIT_S)
    engine.start()
    with pytest.raises(RuntimeError, match="new thread"):
        engine.collect(timeout_s=LIMIT_S)
    assert not engine.warm


def test_close_waits_for_both_threads() -> None:
    predictor = CountingPredictor(batches_at_once=2)
    threads = counting_threads()
    with running(predictor) as engine:
        assert threads() == 2
        submit_two(engine)
    assert threads() == 0
