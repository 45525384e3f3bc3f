"""A program: the worker around a simulated accelerator, until its topic is read to the end. Prints one JSON object."""

import argparse
import json
import sys
import time

from prometheus_client import CollectorRegistry

from tests.bench.accelerator import SimulatedAccelerator
from worker import logs
from worker.app import build_worker, connect_with, look_for_garbage_less_often
from worker.health import Health
from worker.kafka_broker import require_topics
from worker.metrics import Metrics
from worker.settings import Settings
from worker.shutdown import capture_signals


def main() -> None:
    """Join the product's own parts around another predictor, and tell what they cost the processor."""
    parser = argparse.ArgumentParser()
    for name in ("--bootstrap-servers", "--input", "--output", "--dlq", "--group"):
        parser.add_argument(name, required=True)
    parser.add_argument("--accelerator-per-s", type=float, required=True)
    arguments = parser.parse_args()
    settings = Settings(
        bootstrap_servers=arguments.bootstrap_servers,
        input_topic=arguments.input,
        output_topic=arguments.output,
        dlq_topic=arguments.dlq,
        group_id=arguments.group,
    )
    logs.configure(settings.log_level, settings.log_format)
    predictor = SimulatedAccelerator(arguments.accelerator_per_s)
    partitions = require_topics(
        connect_with(settings), [settings.input_topic, settings.output_topic, settings.dlq_topic]
    )
    health = Health(stall_timeout_s=settings.stall_timeout_ms / 1000, now_s=time.monotonic())
    metrics = Metrics(CollectorRegistry())
    began_s = time.process_time()
    worker = build_worker(settings, predictor, partitions, metrics, health)
    look_for_garbage_less_often()
    with capture_signals() as stop:
        worker.run(stop, until_empty=True)
    json.dump({"processor_s": time.process_time() - began_s}, sys.stdout)


if __name__ == "__main__":
    main()
