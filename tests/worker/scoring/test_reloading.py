"""The model is reloaded without a restart: between two batches and warm, or not at all."""

import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from model.errors import EngineBroken
from model.predictor import score_texts
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import until
from tests.worker.rig import LIMIT_S, Rig, ids, review, settings_of, started, turn_until
from worker.app import open_engine
from worker.errors import ModelUnusable, ReloadFailed
from worker.scoring.inference import BackgroundEngine
from worker.scoring.pricing import Why
from worker.scoring.reloading import NICENESS, Reloader
from worker.scoring.work import Work
from worker.wire.scored import ScoredReview


def results(rig: Rig) -> list[ScoredReview]:
    return [ScoredReview.model_validate_json(record.value or b"") for record in rig.scored()]


def ask(rig: Rig) -> None:
    rig.reloader.on_signal(signal.SIGHUP)


def next_is_ready(rig: Rig) -> bool:
    """Return whether a new model waits until the current one is idle."""
    return rig.worker.scorer._next_engine is not None


def reloads(rig: Rig, result: str) -> float:
    return rig.metric("sentiment_model_reloads_total", result=result)


# In the loop


@pytest.mark.parametrize("exactly_once", [False, True])
def test_each_result_names_its_model_and_none_is_lost(exactly_once: bool) -> None:
    rig = started(Rig(partitions=1, exactly_once=exactly_once))
    rig.send(*[review("a film", review_id=str(number)) for number in range(20)])
    turn_until(rig, lambda: len(rig.scored()) == 20, "the present model scores")
    ask(rig)
    turn_until(rig, lambda: reloads(rig, "done") == 1, "the model changes")
    rig.send(*[review("a film", review_id=str(number)) for number in range(20, 40)])
    turn_until(rig, lambda: len(rig.scored()) == 40, "the next model scores")
    assert [result.model.version for result in results(rig)] == ["1"] * 20 + ["2"] * 20
    assert ids(rig.scored()) == [str(number) for number in range(40)]
    info = rig.next_predictor.info
    labels = {"name": info.name, "version": "2", "sha256": info.sha256, "engine": info.engine}
    assert rig.metric("sentiment_model_info", **labels) == 1
    assert rig.metric("sentiment_model_info", **labels | {"version": "1", "sha256": rig.predictor.info.sha256}) == 0


def test_waiting_reviews_are_tokenized_with_the_new_vocabulary() -> None:
    rig = started(Rig(partitions=1, max_reviews=2))
    rig.predictor.gate.clear()
    rig.send(*[review(f"film {number}", review_id=str(number)) for number in range(10)])
    turn_until(rig, lambda: rig.held.records == 10, "all are read, and no batch is done")
    ask(rig)
    turn_until(rig, lambda: next_is_ready(rig), "the next model is ready")
    rig.predictor.gate.set()
    turn_until(rig, lambda: len(rig.scored()) == 10, "all are scored")
    versions = [result.model.version for result in results(rig)]
    assert versions == ["1"] * 4 + ["2"] * 6  # two batches of two were with the engine
    expected = score_texts(rig.next_predictor, [f"film {number}" for number in range(4, 10)]).probabilities
    assert [result.score for result in results(rig)[4:]] == pytest.approx(expected, abs=1e-6)


def test_cached_and_joined_texts_are_scored_by_the_new_model() -> None:
    rig = started(Rig(partitions=1, max_reviews=1, cache_bytes=100_000))
    rig.send(review("known"))
    turn_until(rig, lambda: len(rig.scored()) == 1, "the current model knows a text")
    rig.predictor.gate.clear()
    rig.send(*[review(text) for text in ("slow", "slower", "waits", "waits")])
    turn_until(rig, lambda: rig.metric("sentiment_cache_joined_total") == 1, "one has joined another")
    ask(rig)
    turn_until(rig, lambda: next_is_ready(rig), "the next model is ready")
    rig.predictor.gate.set()
    turn_until(rig, lambda: reloads(rig, "done") == 1, "the model changes")
    rig.send(review("known"))
    turn_until(rig, lambda: len(rig.scored()) == 6, "all are scored")
    assert [result.model.version for result in results(rig)] == ["1"] * 3 + ["2"] * 3
    expected = score_texts(rig.next_predictor, ["waits", "waits", "known"]).probabilities
    assert [result.score for result in results(rig)[3:]] == pytest.approx(expected, abs=1e-6)
    assert rig.metric("sentiment_batch_size_reviews_sum") == 3 + 2
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


def test_prices_are_learnt_again_from_the_new_model() -> None:
    rig = started(Rig(partitions=1, target_s=0.4))
    rig.pricing.observe(1000, took_s=1.0)
    ask(rig)
    turn_until(rig, lambda: reloads(rig, "done") == 1, "the model changes")
    assert rig.pricing.budget.why is Why.LEARNING


def test_the_current_model_stays_if_the_new_one_breaks_while_it_warms_up() -> None:
    rig = started(Rig(partitions=1))
    rig.next_predictor.break_with(EngineBroken("no memory left on the device"))
    ask(rig)
    turn_until(rig, lambda: reloads(rig, "failed") == 1, "the next model fails")
    rig.send(review("a film"))
    turn_until(rig, lambda: len(rig.scored()) == 1, "the present model scores")
    assert results(rig)[0].model.version == "1"


def test_a_worker_stopped_before_the_new_model_scores_drains_with_the_current_one() -> None:
    rig = started(Rig(partitions=1, max_reviews=2))
    rig.predictor.gate.clear()
    rig.send(*[review("a film", review_id=str(number)) for number in range(10)])
    turn_until(rig, lambda: rig.held.records == 10, "all are read, and no batch is done")
    ask(rig)
    turn_until(rig, lambda: next_is_ready(rig), "the next model is ready")
    rig.predictor.gate.set()
    rig.stop.on_signal(signal.SIGTERM)
    rig.worker.run(rig.stop)
    assert [result.model.version for result in results(rig)] == ["1"] * 10
    assert rig.committed() == 10


# The reloader alone


def priority() -> int:
    """Return the niceness of the calling thread."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class RecordsPriority(FakePredictor):
    """A predictor that records the niceness of the thread that warms it up."""

    computes_with: int

    def warm_up(self) -> None:
        self.computes_with = priority()
        super().warm_up()


class Opening:
    """Opens engines; each call waits for `go`."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None
        self.priority: int | None = None  # of the last thread that opened an engine

    def __call__(self) -> BackgroundEngine[Work]:
        self.calls += 1
        self.priority = priority()
        self.go.acquire(timeout=LIMIT_S)
        if self.error is not None:
            raise self.error
        return open_engine(settings_of(), RecordsPriority(str(self.calls)))


def taken(reloader: Reloader[Work]) -> BackgroundEngine[Work]:
    engines: list[BackgroundEngine[Work]] = []

    def arrived() -> bool:
        engine = reloader.take()
        if engine is not None:
            engines.append(engine)
        return bool(engines)

    until(arrived, LIMIT_S, "an engine is ready")
    return engines[0]


def failure(reloader: Reloader[Work], kind: type[Exception]) -> Callable[[], bool]:
    def failed() -> bool:
        try:
            reloader.take()
        except kind:
            return True
        return False

    return failed


def test_nothing_is_opened_without_a_request() -> None:
    opening = Opening()
    assert Reloader(opening).take() is None
    assert opening.calls == 0


def test_take_returns_the_engine_once_when_it_is_warm() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    reloader.on_signal(signal.SIGHUP)
    assert reloader.take() is None  # it is being opened
    opening.go.release()
    assert taken(reloader).warm
    assert reloader.take() is None
    assert opening.calls == 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities only on Linux")
def test_a_model_is_opened_with_low_priority_and_computes_with_normal_priority() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    predictor = taken(reloader).predictor
    assert isinstance(predictor, RecordsPriority)
    assert opening.priority == NICENESS > predictor.computes_with == priority()


def test_a_request_during_a_reload_is_followed_by_one_more_reload() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    reloader.on_signal(signal.SIGHUP)
    reloader.take()
    reloader.on_signal(signal.SIGHUP)
    reloader.on_signal(signal.SIGHUP)
    opening.go.release(2)
    assert [taken(reloader).predictor.info.version for _ in range(2)] == ["1", "2"]
    assert reloader.take() is None
    assert opening.calls == 2


def test_an_unusable_artifact_raises_and_the_next_request_succeeds() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    opening.error = ModelUnusable("config.json is damaged")
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    until(failure(reloader, ReloadFailed), LIMIT_S, "the failure is raised")
    opening.error = None
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    assert taken(reloader).predictor.info.version == "2"


def test_an_unexpected_error_is_raised() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    opening.error = ZeroDivisionError()
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    until(failure(reloader, ZeroDivisionError), LIMIT_S, "the bug is raised")
