"""What `/metrics` shows before the worker has read a record."""

from prometheus_client import CollectorRegistry

import worker
from worker.monitoring.metrics import Metrics


def test_the_version_of_the_worker_is_a_metric() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    assert registry.get_sample_value("sentiment_build_info", {"version": worker.__version__}) == 1
