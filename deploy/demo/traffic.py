"""Both ends of the stream, each in a thread of its own: reviews go in, results come out, entries go to the inbox."""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Final

from deploy.demo.errors import DemoFailed
from deploy.demo.sample import LabelledReview
from deploy.demo.scoreboard import Answer, Entry, Published, Verdict
from worker.broker import Outgoing, Receipt, Record
from worker.kafka_broker import Connection, KafkaSink, KafkaSource
from worker.messages import Review, ScoredReview

UNANSWERED_MAX: Final = 2_000  # so much a worker takes in by default: more could only wait in the topic
FLUSH_LIMIT_S: Final = 30.0
CLOSE_LIMIT_S: Final = 5.0
END_LIMIT_S: Final = 20.0
POLL_S: Final = 0.1
END_POLL_S: Final = 0.5  # longer than a fetch: an empty poll of this length has asked the broker
POLL_RECORDS: Final = 2_000

Inbox = SimpleQueue[Entry | Exception]  # an exception is the last thing that a thread puts in


class _Traffic(threading.Thread):
    """A thread that works until it is done or told to stop, and whose error arrives in the inbox."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        super().__init__(name=name, daemon=True)
        self._inbox = inbox
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001  # raised again by whoever empties the inbox
            self._inbox.put(error)

    @abstractmethod
    def work(self) -> None:
        """Do it; errors end the demo."""

    def stop(self) -> None:
        """Let it go, wherever it is; its connections are closed when this returns in time."""
        self._stopped.set()
        self.join(CLOSE_LIMIT_S)


class Publisher(_Traffic):
    """Publishes reviews under their ids as fast as the broker takes them, UNANSWERED_MAX ahead of the answers."""

    def __init__(self, connection: Connection, topic: str, reviews: Iterable[LabelledReview], inbox: Inbox) -> None:
        super().__init__("demo-publisher", inbox)
        self._connection, self._topic, self._reviews = connection, topic, reviews
        self._room = threading.Semaphore(UNANSWERED_MAX)

    def answered(self) -> None:
        """Make room for one more review; called from any thread."""
        self._room.release()

    def work(self) -> None:
        sink = KafkaSink(self._connection)
        try:
            self._refuse_failures([self._send(sink, review) for review in self._reviews if self._may_send()], sink)
        finally:
            sink.close(timeout_s=0 if self._stopped.is_set() else CLOSE_LIMIT_S)
