"""A worker takes up another model while reviews come, and loses none; a broken one it leaves alone."""

from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import read_all
from tests.support.stage import LONG, MakeStage, save_tiny_artifact
from tests.support.traffic import reviews
from tests.support.until import until
from tests.support.worker_process import WorkerProcess
from worker.wire.scored import ScoredReview

pytestmark = pytest.mark.broker

LIMIT_S = 60


def reloaded(worker: WorkerProcess) -> bool:
    return worker.metric("sentiment_model_reloads_total", result="done") == 1


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_reload_under_load_changes_the_model_and_nothing_else(
    broker: Broker, make_stage: MakeStage, tmp_path: Path, delivery: str
) -> None:
    artifact = save_tiny_artifact(tmp_path / "model")
    stage = make_stage(broker.address, model=artifact, delivery=delivery)
    worker = stage.busy()
    save_tiny_artifact(artifact, version="2")
    worker.reload()
    more = reviews(seed=2, words=LONG)
    stage.traffic.load_until(partial(reloaded, worker), more, "the model changes", most=100_000)
    stage.traffic.send(islice(more, 100))
    stage.traffic.until_answered()
    assert worker.metric("sentiment_model_info", version="2") == worker.metric("sentiment_model_info") == 1
    assert worker.stop() == 0
    assert stage.faults() == []
    results = [
        ScoredReview.model_validate_json(stored.value or b"") for stored in read_all(stage.address, stage.topics.output)
    ]
    # Not first all of the one and then all of the other: batches are formed by length.
    assert {result.model.version for result in results} == {"1", "2"}


def test_a_damaged_model_is_refused_and_the_present_one_goes_on(
    broker: Broker, make_stage: MakeStage, tmp_path: Path
) -> None:
    artifact = save_tiny_artifact(tmp_path / "model")
    stage = make_stage(broker.address, model=artifact)
    worker = stage.start().until_ready()
    (artifact / "config.json").write_text("{}")
    worker.reload()
    until(lambda: worker.metric("sentiment_model_reloads_total", result="failed") == 1, LIMIT_S, "it is refused")
    assert "config.json" in worker.log()
    stage.traffic.send(islice(reviews(seed=3, words=LONG), 100))
    stage.traffic.until_answered()
    assert worker.metric("sentiment_model_info", version="1") == 1
    assert worker.stop() == 0
    assert stage.faults() == []
