"""One run of the demo, from the broker to the numbers; read it from `run` downwards."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Final

from deploy.demo.errors import DemoFailed
from deploy.demo.metrics_reader import WorkerMetrics, parse
from deploy.demo.sample import LabelledReview
from deploy.demo.scoreboard import Entry, Scoreboard
from deploy.demo.topics import PARTITIONS, Topics, created_topics
from deploy.demo.traffic import Inbox, Publisher, Reader, dead_answer, scored_answer
from deploy.demo.view import Frame, View
from deploy.demo.worker_process import WorkerProcess
from deploy.kafka.broker import Broker
from deploy.kafka.launcher import choose_broker
from deploy.kafka.ports import free_ports
from worker.app import connect_with
from worker.configuration import load_settings
from worker.kafka_broker import Connection

REFRESH_S: Final = 0.2
STALL_LIMIT_S: Final = 60.0
SECURITY: Final = ("SENTIMENT_SECURITY_", "SENTIMENT_SASL_", "SENTIMENT_SSL_")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    last: Frame
    complaints: Sequence[str]  # why it failed; empty when all is well


def run(
    reviews: Sequence[LabelledReview],
    bootstrap_servers: str | None,
    *,
    open_view: Callable[[], AbstractContextManager[View]],
    tell: Callable[[str], None],
    stack: ExitStack,
) -> Outcome:
    """Have `reviews` scored by a worker that is started for it, and count what comes back.

    `stack` ends all that is started here. `tell` hears of each step in one line.
    Raises DemoFailed, LauncherError or WorkerError when the run cannot come to its end.
    """
    broker = stack.enter_context(choose_broker(bootstrap_servers, tell=tell))
    tell(f"broker: {broker.description}")
    stage = set_up(broker, reviews, tell=tell, stack=stack)
    tell(f"publishing {len(reviews):,} reviews")
    stage.publisher.start()
    with open_view() as view:
        stalled = list(stage.play(view))
    return stage.finish(stalled)


def set_up(broker: Broker, reviews: Sequence[LabelledReview], *, tell: Callable[[str], None], stack: ExitStack) -> "Stage":
    """Topics, a worker that is ready, and readers that have their partitions."""
    environ = broker_environ(os.environ, broker)
    connection = connect_with(load_settings({}, environ))
    topics = stack.enter_context(created_topics(connection, on_loan=broker.kind == "address"))
    tell(f"topics: {topics.raw}, {topics.scored}, {topics.dlq}, {PARTITIONS} partitions each")
    worker = stack.enter_context(_worker(environ, topics, stack))
    tell("worker: started; it loads the model and joins its group")
    inbox: Inbox = Inbox()
    readers = [_reader(connection, topics.scored, scored_answer, inbox), _reader(connection, topics.dlq, dead_answer, inbox)]
    publisher = Publisher(connection, topics.raw, reviews, inbox)
    for thread in (publisher, *readers):
        stack.callback(thread.stop)
    for reader in readers:
        reader.start()
    worker.wait_until_ready()
    for reader in readers:
        reader.wait_until_joined()
    return Stage(broker.description, len(reviews), worker, publisher, readers, inbox)
