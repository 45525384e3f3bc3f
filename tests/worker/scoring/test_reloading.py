"""Another model is taken up without a restart: between two batches, warm, or not at all."""

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
from tests.worker.rig import LIMIT_S, Rig, ids, review, settings_of, turn_until
from worker.app import open_engine
from worker.errors import ModelUnusable, ReloadFailed
from worker.scoring.inference import BackgroundEngine
from worker.scoring.pricing import Why
from worker.scoring.reloading import NICENESS, Reloader
from worker.scoring.work import Work
from worker.wire.scored import ScoredReview


def results(rig: Rig) -> list[ScoredReview]:
    return [ScoredReview.model_validate_json(record.value or b"") for record in rig.scored()]


def started(rig: Rig) -> Rig:
    rig.worker.start()
    turn_until(rig, lambda: rig.health.warm and rig.health.partitions > 0, "the worker owns partitions")
    return rig


def ask(rig: Rig) -> None:
    rig.reloader.on_signal(signal.SIGHUP)


def next_is_ready(rig: Rig) -> bool:
    """Whether another model waits for the current one to finish what it has."""
    return rig.worker.scorer._next_engine is not None


def reloads(rig: Rig, result: str) -> float:
    return rig.metric("sentiment_model_reloads_total", result=result)


# In the loop


@pytest.mark.parametrize("exactly_once", [False, True])
def test_each_result_names_the_model_that_made_it_and_none_is_lost(exactly_once: bool) -> None:
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


def test_what_waits_for_the_next_model_is_read_with_its_vocabulary() -> None:
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


def test_what_the_cache_kept_and_what_had_joined_is_scored_by_the_next_model() -> None:
    rig = started(Rig(partitions=1, max_reviews=1, cache_bytes=100_000))
    rig.send(review("known"))
    turn_until(rig, lambda: len(rig.scored()) == 1, "the present model knows a text")
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


def test_what_batches_cost_is_learnt_anew_from_the_next_model() -> None:
    rig = started(Rig(partitions=1, target_s=0.4))
    rig.pricing.observe(1000, took_s=1.0)
    ask(rig)
    turn_until(rig, lambda: reloads(rig, "done") == 1, "the model changes")
    assert rig.pricing.budget.why is Why.LEARNING


def test_a_model_that_breaks_while_it_warms_up_leaves_the_present_one_in_place() -> None:
    rig = started(Rig(partitions=1))
    rig.next_predictor.break_with(EngineBroken("no memory left on the device"))
    ask(rig)
    turn_until(rig, lambda: reloads(rig, "failed") == 1, "the next model fails")
    rig.send(review("a film"))
    turn_until(rig, lambda: len(rig.scored()) == 1, "the present model scores")
    assert results(rig)[0].model.version == "1"


def test_a_worker_that_is_stopped_before_the_next_model_takes_over_drains_with_the_present_one() -> None:
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
    """Of the calling thread; a greater one gives way to a smaller."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class SaysWhoWarmsItUp(FakePredictor):
    """A predictor that keeps the priority of the thread that computes with it."""

    computes_with: int

    def warm_up(self) -> None:
        self.computes_with = priority()
        super().warm_up()


class Opening:
    """What opens engines; each call waits until it is let through."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None
        self.priority: int | None = None  # of the thread that opened last

    def __call__(self) -> BackgroundEngine[Work]:
        self.calls += 1
        self.priority = priority()
        self.go.acquire(timeout=LIMIT_S)
        if self.error is not None:
            raise self.error
        return open_engine(settings_of(), SaysWhoWarmsItUp(str(self.calls)))


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


def test_without_a_wish_nothing_is_opened() -> None:
    opening = Opening()
    assert Reloader(opening).take() is None
    assert opening.calls == 0


def test_an_engine_is_handed_over_once_and_warm() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    reloader.on_signal(signal.SIGHUP)
    assert reloader.take() is None  # it is being opened
    opening.go.release()
    assert taken(reloader).warm
    assert reloader.take() is None
    assert opening.calls == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux")
def test_opening_a_model_gives_way_to_the_present_one_and_the_next_one_computes_like_it() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    predictor = taken(reloader).predictor
    assert isinstance(predictor, SaysWhoWarmsItUp)
    assert opening.priority == NICENESS > predictor.computes_with == priority()


def test_a_wish_that_comes_while_a_model_is_opened_is_followed_after_it() -> None:
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


def test_an_artifact_that_cannot_be_used_is_told_and_the_next_wish_is_followed() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    opening.error = ModelUnusable("config.json is damaged")
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    until(failure(reloader, ReloadFailed), LIMIT_S, "the failure is told")
    opening.error = None
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    assert taken(reloader).predictor.info.version == "2"


def test_what_nobody_foresaw_is_not_survived() -> None:
    opening = Opening()
    reloader = Reloader(opening)
    opening.error = ZeroDivisionError()
    reloader.on_signal(signal.SIGHUP)
    opening.go.release()
    until(failure(reloader, ZeroDivisionError), LIMIT_S, "the bug is told")
