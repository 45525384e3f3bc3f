"""Both ends of the stream, each in its own thread: publish reviews, read results, and put both into the inbox."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Final

from pydantic import ValidationError

from deploy.demo.errors import DemoFailed
from deploy.demo.sample import LabelledReview
from deploy.demo.scoreboard import Answer, Entry, Prediction, Published
from worker.broker.connection import Connection
from worker.broker.contract import Outgoing, Receipt, Record, Source
from worker.broker.kafka_python.sink import KafkaSink
from worker.broker.kafka_python.source import KafkaSource
from worker.wire.headers import Header
from worker.wire.scored import ScoredReview

UNANSWERED_MAX: Final = 2_000  # bounds the memory of the demo and the producer
JOIN_LIMIT_S: Final = 60.0
FLUSH_LIMIT_S: Final = 30.0
CLOSE_LIMIT_S: Final = 5.0
END_LIMIT_S: Final = 30.0
WAIT_S: Final = 0.1  # how late a thread may notice that it has to stop
END_POLL_S: Final = 0.5  # longer than a fetch takes, so an empty poll has asked the broker
POLL_RECORDS: Final = 2_000

Inbox = SimpleQueue[Entry | Exception]  # an exception is the last entry of a thread


class _Traffic(ABC):
    """Works in a thread until it is done or stopped, and puts its error into the inbox."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        self._inbox = inbox
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, with or without an error."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Stop at once and close the connections; takes at most 5 s."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_LIMIT_S)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001  # the reader of the inbox raises it again
            self._inbox.put(error)

    @abstractmethod
    def _work(self) -> None: ...


class ReviewPublisher(_Traffic):
    """Publishes reviews as fast as the broker accepts them, at most UNANSWERED_MAX ahead of the answers."""

    def __init__(self, connection: Connection, topic: str, reviews: Iterable[LabelledReview], inbox: Inbox) -> None:
        super().__init__("demo-publisher", inbox)
        self._connection, self._topic, self._reviews = connection, topic, reviews
        self._room = threading.Semaphore(UNANSWERED_MAX)

    def answered(self) -> None:
        """Allow one more review; may be called from any thread."""
        self._room.release()

    def _work(self) -> None:
        sink = KafkaSink(self._connection)
        in_flight: deque[Receipt] = deque()
        try:
            for review in self._reviews:
                while not self._room.acquire(timeout=WAIT_S):
                    if self._stopped.is_set():
                        return
                self._inbox.put(Published(review, time.time()))  # before the answer can arrive
                in_flight.append(sink.send(self._message(review)))
                while in_flight and in_flight[0].done:
                    _check(in_flight.popleft())
            sink.flush(timeout_s=FLUSH_LIMIT_S)
            for receipt in in_flight:
                _check(receipt)
        finally:
            sink.close(timeout_s=0)

    def _message(self, review: LabelledReview) -> Outgoing:
        value = json.dumps({"review_id": review.review_id, "text": review.text}, ensure_ascii=False)
        return Outgoing(self._topic, review.review_id.encode(), value.encode())


class Reader(_Traffic):
    """Reads a topic from its beginning; commits nothing."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        *,
        group_id: str,
        answer: Callable[[Record, float], Answer],
        inbox: Inbox,
    ) -> None:
        """`answer` makes an entry from a record and the epoch seconds at which it was read."""
        super().__init__(f"demo-reader-{topic}", inbox)
        self._connection, self._topic, self._group_id = connection, topic, group_id
        self._answer = answer
        self._joined = threading.Event()
        self._to_the_end = threading.Event()

    def wait_until_joined(self) -> None:
        """Return when the consumer group has assigned it the topic. Raises DemoFailed."""
        if not self._joined.wait(JOIN_LIMIT_S):
            raise DemoFailed(f"the demo could not start to read {self._topic} within {JOIN_LIMIT_S:.0f} s")

    def finish(self) -> None:
        """Read the topic to its present end and stop. Raises DemoFailed."""
        self._to_the_end.set()
        self._thread.join(END_LIMIT_S)
        if not self.done:
            raise DemoFailed(f"the demo could not read {self._topic} to its end within {END_LIMIT_S:.0f} s")

    def _work(self) -> None:
        source = KafkaSource(self._connection, topic=self._topic, group_id=self._group_id)
        try:
            at_end = False
            while not at_end and not self._stopped.is_set():
                at_end = self._read(source)
        finally:
            source.close(timeout_s=CLOSE_LIMIT_S)

    def _read(self, source: Source) -> bool:
        """Poll once; returns whether `finish` was called and the end is reached."""
        to_the_end = self._to_the_end.is_set()
        polled = source.poll(timeout_s=END_POLL_S if to_the_end else WAIT_S, max_records=POLL_RECORDS)
        read_at_s = time.time()
        for record in polled.records:
            self._inbox.put(self._answer(record, read_at_s))
        if polled.assigned:
            self._joined.set()
        return to_the_end and not polled.records and not any(source.lag().values())


def scored_answer(record: Record, read_at_s: float) -> Answer:
    """Read a message of the output topic. Raises DemoFailed."""
    try:
        scored = ScoredReview.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise DemoFailed(f"{record.partition}, offset {record.offset}, is not a scored review: {error}") from error
    sent_at = scored.source and scored.source.timestamp
    return Answer(
        record.partition,
        record.offset,
        scored.review_id,
        read_at_s,
        sent_at.timestamp() if sent_at else None,
        Prediction(scored.sentiment, scored.score, scored.out_of_domain),
    )


def dead_answer(record: Record, read_at_s: float) -> Answer:
    """Read a message of the dead-letter topic."""
    sent_at_ms = dict(record.headers).get(Header.SOURCE_TIMESTAMP)
    return Answer(
        record.partition,
        record.offset,
        (record.key or b"").decode(errors="replace"),
        read_at_s,
        int(sent_at_ms) / 1000 if sent_at_ms else None,
        None,
    )


def _check(receipt: Receipt) -> None:
    if receipt.error is not None:
        raise receipt.error
