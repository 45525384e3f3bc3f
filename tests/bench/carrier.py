"""A program: the worker around a simulated accelerator, or an artifact, until its topic is read. Prints one object."""

import argparse
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from model.engines import load_predictor
from model.predictor import Predictor
from tests.bench.accelerator import SimulatedAccelerator
from worker import logs
from worker.app import build_worker, collect_garbage_less_often, open_engine
from worker.broker.clients import CLIENTS, client_named
from worker.broker.cluster.admin import require_topics
from worker.inflight import Clocks
from worker.monitoring.health import Health
from worker.monitoring.metrics import Metrics
from worker.monitoring.observer import Observers
from worker.monitoring.status.recorder import Recorder
from worker.scoring.reloading import Reloader
from worker.scoring.shadow import Shadow
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings
from worker.shutdown import capture_signals


def main() -> None:
    """Join the product's own parts around another predictor, and print what they cost the processor."""
    parser = argparse.ArgumentParser()
    for name in ("--bootstrap-servers", "--input", "--output", "--dlq", "--group"):
        parser.add_argument(name, required=True)
    parser.add_argument("--client", choices=CLIENTS, default="kafka-python")
    parser.add_argument(
        "--meeting", type=Path, help="an empty directory, where so many --workers meet before they begin"
    )
    parser.add_argument("--workers", type=int, default=1)
    inside = parser.add_mutually_exclusive_group(required=True)
    inside.add_argument("--accelerator-per-s", type=float)
    inside.add_argument("--artifact", type=Path)
    arguments = parser.parse_args()
    settings = Settings(
        bootstrap_servers=arguments.bootstrap_servers,
        input_topic=arguments.input,
        output_topic=arguments.output,
        dlq_topic=arguments.dlq,
        group_id=arguments.group,
        client=arguments.client,
    )
    logs.configure(settings.log_level, settings.log_format)
    now_s = time.monotonic()
    health = Health(stall_timeout_s=settings.stall_timeout_ms / 1000, now_s=now_s)
    predictor: Predictor = (
        load_predictor(arguments.artifact)
        if arguments.artifact
        else SimulatedAccelerator(
            arguments.accelerator_per_s, may_begin=partial(all_are_there, health, arguments.meeting, arguments.workers)
        )
    )
    partitions = require_topics(
        connect_with(settings), [settings.input_topic, settings.output_topic, settings.dlq_topic]
    )
    recorder = Recorder(now_s, keeps_reviews=settings.status_reviews)
    metrics = Metrics(CollectorRegistry())
    began_s = time.process_time()
    worker = build_worker(
        settings,
        client=client_named(settings.client),
        engine=open_engine(settings, predictor),
        reloader=Reloader(lambda: open_engine(settings, predictor)),
        shadow=Shadow(),
        observer=Observers(metrics, health, recorder),
        partitions=partitions,
        clocks=Clocks(),
    )
    collect_garbage_less_often()
    with capture_signals() as stop:
        worker.run(stop, until_empty=True)
    sys.stdout.write(json.dumps({"processor_s": time.process_time() - began_s}) + "\n")


def all_are_there(health: Health, meeting: Path | None, workers: int) -> bool:
    """Whether each of the workers has said that it owns partitions; says so of this one."""
    if meeting is None:
        return True
    if health.partitions:
        (meeting / str(os.getpid())).touch()
    return len(list(meeting.iterdir())) >= workers


if __name__ == "__main__":
    main()
