"""Everything a run needs, started in order: topics, a worker that is ready, readers that have their partitions."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.demo.interrupts import postponed
from deploy.demo.sample import LabelledReview
from deploy.demo.topics import PARTITIONS, Topics, created_topics
from deploy.demo.traffic import Inbox, Publisher, Reader, dead_answer, scored_answer
from deploy.demo.view import Scene
from deploy.demo.worker_process import WorkerProcess
from deploy.kafka.broker import Broker
from deploy.kafka.ports import free_ports
from worker.broker.connection import Connection
from worker.settings.connecting import connect_with
from worker.settings.sources import load_settings

Tell = Callable[[str], None]

# Less than by default: results come in an even flow rather than late and all at once, and the lag can be watched.
EVEN_FLOW: Final = {"SENTIMENT_MAX_INFLIGHT_RECORDS": "256", "SENTIMENT_MAX_BATCH_REVIEWS": "64"}
SECURITY: Final = ("SENTIMENT_SECURITY_", "SENTIMENT_SASL_", "SENTIMENT_SSL_")


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running."""

    scene: Scene
    worker: WorkerProcess
    publisher: Publisher  # not started yet
    readers: Sequence[Reader]
    inbox: Inbox


def set_up(broker: Broker, reviews: Sequence[LabelledReview], *, tell: Tell, stack: ExitStack) -> Stage:
    """Start all but the publisher, which `reviews` are for; `stack` ends it. Raises DemoFailed or WorkerError."""
    environ = environ_for(broker, os.environ)
    connection = connect_with(load_settings({}, environ))
    topics = stack.enter_context(created_topics(connection, on_loan=broker.kind == "address"))
    tell(f"topics: {topics.raw}, {topics.scored}, {topics.dlq}; {PARTITIONS} partitions each")
    tell("worker: starting; it loads its model and joins its consumer group")
    worker = _start_worker(environ, topics, stack)
    inbox: Inbox = Inbox()
    readers = _start_readers(connection, topics, inbox, stack)
    publisher = Publisher(connection, topics.raw, reviews, inbox)
    stack.callback(publisher.stop)
    worker.wait_until_ready()
    for reader in readers:
        reader.wait_until_joined()
    scene = Scene(broker.name, broker.address, f"{topics.raw} → worker → {topics.scored}")
    return Stage(scene, worker, publisher, readers, inbox)


def environ_for(broker: Broker, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ`, changed to connect to `broker`; how to talk to a Kafka of somebody else's does not hold for ours."""
    kept = {name: value for name, value in environ.items() if broker.kind == "address" or not name.startswith(SECURITY)}
    return kept | {"SENTIMENT_BOOTSTRAP_SERVERS": broker.address}


def _start_worker(environ: Mapping[str, str], topics: Topics, stack: ExitStack) -> WorkerProcess:
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
    with postponed():  # between the start of the process and the stack's knowing of it
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="sentiment-demo-")))
        return stack.enter_context(WorkerProcess(environ, http_port=port, directory=directory))


def _start_readers(connection: Connection, topics: Topics, inbox: Inbox, stack: ExitStack) -> list[Reader]:
    readers = [
        Reader(connection, topic, group_id=f"{topic}.demo-reader", answer=answer, inbox=inbox)
        for topic, answer in ((topics.scored, scored_answer), (topics.dlq, dead_answer))
    ]
    for reader in readers:
        stack.callback(reader.stop)
        reader.start()
    return readers
