"""The model is reloaded without a restart: between two batches and warm, or not at all."""

import os
import signal
import sys
import threading

import pytest

from model.errors import EngineBroken
from model.predictor import score_texts
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import until
from tests.worker.rig import LIMIT_S, Rig, ids, review, settings_of, started, turn_until, with_busy_engine
from worker.app import open_engine
from worker.errors import ModelUnusable, ReloadFailed
from worker.scoring.inference import BackgroundEngine
from worker.scoring.pricing import Why
from worker.scoring.reloading import NICENESS, Reloader


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
    assert [result.model.version for result in rig.results()] == ["1"] * 20 + ["2"] * 20
    assert ids(rig.scored()) == [str(number) for number in range(40)]
    info = rig.next_predictor.info
    labels = {"name": info.name, "version": "2", "sha256": info.sha256, "engine": info.engine}
    assert rig.metric("sentiment_model_info", **labels) == 1
    assert rig.metric("sentiment_model_info", **labels | {"version": "1", "sha256": rig.predictor.info.sha256}) == 0


def test_waiting_reviews_are_tokenized_with_the_new_vocabulary() -> None:
    reviews = [review(f"film {number}", review_id=str(number)) for number in range(10)]
    rig = with_busy_engine(started(Rig(partitions=1, max_batch_reviews=2)), *reviews)
    ask(rig)
    turn_until(rig, lambda: next_is_ready(rig), "the next model is ready")
    rig.predictor.gate.set()
    turn_until(rig, lambda: len(rig.scored()) == 10, "all are scored")
    versions = [result.model.version for result in rig.results()]
    assert versions == ["1"] * 4 + ["2"] * 6  # two batches of two were with the engine
    expected = score_texts(rig.next_predictor, [f"film {number}" for number in range(4, 10)]).probabilities
    assert [result.score for result in rig.results()[4:]] == pytest.approx(expected, abs=1e-6)


def test_cached_and_joined_texts_are_scored_by_the_new_model() -> None:
    rig = started(Rig(partitions=1, max_batch_reviews=1, cache_bytes=100_000))
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
    assert [result.model.version for result in rig.results()] == ["1"] * 3 + ["2"] * 3
    expected = score_texts(rig.next_predictor, ["waits", "waits", "known"]).probabilities
    assert [result.score for result in rig.results()[3:]] == pytest.approx(expected, abs=1e-6)
    assert rig.metric("sentiment_batch_size_reviews_sum") == 3 + 2
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


def test_prices_are_learnt_again_from_the_new_model() -> None:
    rig = started(Rig(partitions=1, target_p99_ms=400))
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
    assert rig.results()[0].model.version == "1"


def test_a_worker_stopped_before_the_new_model_scores_drains_with_the_current_one() -> None:
    rig = with_busy_engine(started(Rig(partitions=1, max_batch_reviews=2)), *[review("a film")] * 10)
    ask(rig)
    turn_until(rig, lambda: next_is_ready(rig), "the next model is ready")
    rig.predictor.gate.set()
    rig.stop_now()
    assert [result.model.version for result in rig.results()] == ["1"] * 10
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

    def __call__(self) -> BackgroundEngine:
        self.calls += 1
        self.priority = priority()
        self.go.acquire(timeout=LIMIT_S)
        if self.error is not None:
            raise self.error
        return open_engine(settings_of(), RecordsPriority(str(self.calls)))


@pytest.fixture
def opening() -> Opening:
    return Opening()


@pytest.fixture
def reloader(opening: Opening) -> Reloader:
    """A reloader with one request."""
    reloader = Reloader(opening)
    reloader.on_signal(signal.SIGHUP)
    return reloader


def taken(reloader: Reloader) -> BackgroundEngine:
    return until(reloader.take, LIMIT_S, "an engine is ready")


def test_nothing_is_opened_without_a_request(opening: Opening) -> None:
    assert Reloader(opening).take() is None
    assert opening.calls == 0


def test_take_returns_the_engine_once_when_it_is_warm(opening: Opening, reloader: Reloader) -> None:
    assert reloader.take() is None  # it is being opened
    opening.go.release()
    assert taken(reloader).warm
    assert reloader.take() is None
    assert opening.calls == 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities only on Linux")
def test_a_model_is_opened_with_low_priority_and_computes_with_normal_priority(
    opening: Opening, reloader: Reloader
) -> None:
    opening.go.release()
    predictor = taken(reloader).predictor
    assert isinstance(predictor, RecordsPriority)
    assert opening.priority == NICENESS > predictor.computes_with == priority()


def test_a_request_during_a_reload_is_followed_by_one_more_reload(opening: Opening, reloader: Reloader) -> None:
    reloader.take()
    reloader.on_signal(signal.SIGHUP)
    reloader.on_signal(signal.SIGHUP)
    opening.go.release(2)
    assert [taken(reloader).predictor.info.version for _ in range(2)] == ["1", "2"]
    assert reloader.take() is None
    assert opening.calls == 2


def test_an_unusable_artifact_raises_and_the_next_request_succeeds(opening: Opening, reloader: Reloader) -> None:
    opening.error = ModelUnusable("config.json is damaged")
    opening.go.release()
    with pytest.raises(ReloadFailed):
        taken(reloader)
    opening.error = None
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    assert taken(reloader).predictor.info.version == "2"


def test_an_unexpected_error_is_raised(opening: Opening, reloader: Reloader) -> None:
    opening.error = ZeroDivisionError()
    opening.go.release()
    with pytest.raises(ZeroDivisionError):
        taken(reloader)
