"""The demo reads the worker's own metrics by the names that the worker gives them."""

from prometheus_client import CollectorRegistry, generate_latest

from deploy.demo.metrics_reader import WorkerMetrics, parse
from model.predictor import ModelInfo
from worker.monitoring.metrics import Metrics


def test_what_the_worker_exposes_is_read_back() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.serving(ModelInfo("imdb", "1.2", "0" * 64, "torch cpu fp32", 1e-5))
    for size in (60, 64):
        metrics.batch_size.observe(size)
    metrics.read.inc(7)
    read = parse(generate_latest(registry).decode())
    assert read == WorkerMetrics(
        records_read=7, batches=2, batch_reviews=124, model="imdb 1.2", engine="torch cpu fp32"
    )
    assert read.reviews_per_batch == 62.0


def test_a_worker_without_metrics_yet_is_read_as_zeros() -> None:
    read = parse("")
    assert (read.records_read, read.batches, read.reviews_per_batch, read.model) == (0, 0, None, "? ?")
