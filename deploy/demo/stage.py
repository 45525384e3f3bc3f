"""Starts everything that a run needs, in order: topics, the worker, readers, and the publisher."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.demo.interrupts import postponed
from deploy.demo.sample import LabelledReview
from deploy.demo.topics import PARTITIONS, DemoTopics, created_topics
from deploy.demo.traffic import Inbox, Reader, ReviewPublisher, dead_answer, scored_answer
from deploy.demo.view import Scene
from deploy.demo.worker_process import WorkerProcess
from deploy.kafka.broker import Broker
from deploy.kafka.launcher import Report
from deploy.kafka.ports import free_ports
from worker.broker.connection import Connection
from worker.settings.connecting import connect_with
from worker.settings.sources import load_settings

# Smaller than the defaults, so that results arrive evenly rather than late and all at once, and the lag is visible.
EVEN_FLOW: Final = {"SENTIMENT_MAX_INFLIGHT_RECORDS": "256", "SENTIMENT_MAX_BATCH_REVIEWS": "64"}
SECURITY: Final = ("SENTIMENT_SECURITY_", "SENTIMENT_SASL_", "SENTIMENT_SSL_")


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts."""

    scene: Scene
    worker: WorkerProcess
    publisher: ReviewPublisher  # not started yet
    readers: Sequence[Reader]
    inbox: Inbox


def set_up(broker: Broker, reviews: Sequence[LabelledReview], *, report: Report, stack: ExitStack) -> Stage:
    """Start all but the publisher of the `reviews`; `stack` stops them. Raises DemoFailed or WorkerError."""
    environ = environ_for(broker, os.environ)
    connection = connect_with(load_settings({}, environ))
    topics = stack.enter_context(created_topics(connection, on_loan=broker.kind == "address"))
    report(f"topics: {topics.raw}, {topics.scored}, {topics.dlq}; {PARTITIONS} partitions each")
    report("worker: starting; it loads its model and joins its consumer group")
    worker = _start_worker(environ, topics, stack)
    inbox: Inbox = Inbox()
    readers = _start_readers(connection, topics, inbox, stack)
    publisher = ReviewPublisher(connection, topics.raw, reviews, inbox)
    stack.callback(publisher.stop)
    worker.wait_until_ready()
    for reader in readers:
        reader.wait_until_joined()
    scene = Scene(broker.name, broker.address, f"{topics.raw} → worker → {topics.scored}")
    return Stage(scene, worker, publisher, readers, inbox)


def environ_for(broker: Broker, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ`, changed to connect to `broker`; security settings are kept only for a given Kafka."""
    kept = {name: value for name, value in environ.items() if broker.kind == "address" or not name.startswith(SECURITY)}
    return kept | {"SENTIMENT_BOOTSTRAP_SERVERS": broker.address}


def _start_worker(environ: Mapping[str, str], topics: DemoTopics, stack: ExitStack) -> WorkerProcess:
    (port,) = free_ports(1)
    settings = {
        "SENTIMENT_INPUT_TOPIC": topics.raw,
        "SENTIMENT_OUTPUT_TOPIC": topics.scored,
        "SENTIMENT_DLQ_TOPIC": topics.dlq,
        "SENTIMENT_GROUP_ID": f"{topics.raw}.demo-worker",
        "SENTIMENT_HTTP_HOST": "127.0.0.1",
        "SENTIMENT_HTTP_PORT": str(port),
        "SENTIMENT_LOG_FORMAT": "text",
    }
    environ = {**EVEN_FLOW, **environ, **settings}
    with postponed():  # so that no signal falls between starting the process and registering it with the stack
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="sentiment-demo-")))
        return stack.enter_context(closing(WorkerProcess(environ, http_port=port, directory=directory)))


def _start_readers(connection: Connection, topics: DemoTopics, inbox: Inbox, stack: ExitStack) -> list[Reader]:
    readers = [
        Reader(connection, topic, group_id=f"{topic}.demo-reader", answer=answer, inbox=inbox)
        for topic, answer in ((topics.scored, scored_answer), (topics.dlq, dead_answer))
    ]
    for reader in readers:
        stack.callback(reader.stop)
        reader.start()
    return readers
