"""What probes and Prometheus see of a worker's life."""

from itertools import islice

import pytest
from prometheus_client import CollectorRegistry

from deploy.kafka.broker import Broker
from tests.support.kafka_io import new_topics
from tests.support.stage import MakeStage, Stage
from tests.support.traffic import reviews
from tests.support.until import until
from tests.support.worker_process import START_LIMIT_S, WorkerProcess
from worker.monitoring.metrics import Metrics

pytestmark = pytest.mark.broker

REVIEWS = 300


@pytest.fixture
def one_partition(broker: Broker, make_stage: MakeStage) -> Stage:
    return make_stage(broker.address, new_topics(broker.address, partitions=1))


def test_a_worker_is_alive_without_partitions_and_ready_when_it_gets_one(one_partition: Stage) -> None:
    owner = one_partition.start().until_ready()
    spare = one_partition.start()
    left_out = (503, "no partition is assigned\n")
    until(lambda: spare.get("/readyz") == left_out, START_LIMIT_S, "the second worker finds no partition left")
    assert spare.get("/livez")[0] == 200
    assert owner.stop() == 0
    spare.until_ready()
    assert spare.get("/livez")[0] == 200


@pytest.fixture
def after_scoring(stage: Stage) -> WorkerProcess:
    """A worker that has scored REVIEWS reviews and waits for more."""
    stage.traffic.send(islice(reviews(seed=7), REVIEWS))
    worker = stage.start().until_ready()
    stage.traffic.until_answered()
    until(lambda: worker.owned() == 4 and worker.metric("sentiment_held_records") == 0, 10, "the gauges have caught up")
    return worker


def test_metrics_count_what_was_done(after_scoring: WorkerProcess) -> None:
    worker = after_scoring
    registry = CollectorRegistry()
    Metrics(registry)
    assert {family.name for family in registry.collect()} <= {family.name for family in worker.families()}
    for counted in (
        "sentiment_records_read_total",
        "sentiment_reviews_scored_total",
        "sentiment_batch_size_reviews_sum",
        "sentiment_end_to_end_seconds_count",
        "sentiment_score_count",
    ):
        assert (counted, worker.metric(counted)) == (counted, REVIEWS)
    assert worker.metric("sentiment_dead_letters_total") == worker.metric("sentiment_tombstones_total") == 0
    assert worker.metric("sentiment_lag_records") == worker.metric("sentiment_held_bytes") == 0
    assert worker.metric("sentiment_ready") == 1
    assert worker.metric("sentiment_model_info", name="tiny", version="1") == 1
    assert worker.metric("sentiment_tokens_total") > REVIEWS
    assert 0 < worker.metric("sentiment_score_sum") < REVIEWS
