"""An idempotent producer, on librdkafka.

The library sends on threads of its own; what became of the messages waits in a queue until `serve` asks for it, on the
thread of the loop.

What the library (2.16) does not do by itself and this file does:

- After a message whose time is over it goes on with those behind it. So none is given a time here: `serve` looks how
  long the oldest waits, and gives up on all of them. After a refusal it would go on, too, but for the setting
  `enable.gapless.guarantee`; and a producer that has met one is of no more use. `flush` opens another.
- It blames a batch that is too large for the topic on each message in it, and never splits one. See `_blame`.
- A topic that does not exist is told a while after the send. So a topic is asked for before the first. See `_why_not`.
- A header whose name is not UTF-8 ends the process. Such a message is refused.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from worker.broker.confluent.connection import Told, settings_of
from worker.broker.confluent.errors import told, translated
from worker.broker.connection import Connection
from worker.broker.contract import Headers, Outgoing, Receipt
from worker.broker.kafka_python.errors import to_describe, to_write
from worker.broker.kafka_python.sink import MAX_MESSAGE_BYTES
from worker.broker.receipts import Reasons, Refused, as_fate, not_sent, unanswered
from worker.errors import AccessDenied, BrokerRefused, BrokerUnavailable, DeliveryFailed, TopicMissing, WorkerError

_METADATA_S: Final = 2.0  # the most a send may wait to learn where a topic's partitions are
_SLICE_S: Final = 0.1
_LAST_WORDS_S: Final = 1.0  # for the fates of what is on its way, and then of what was taken back
_SMALLER: Final = 4  # times


class _Receipt:
    """See Receipt. Filled in when its sink is served."""

    __slots__ = ("_is_done", "_sink", "error", "sent_s", "size_bytes", "topic")

    def __init__(self, sink: "ConfluentSink", topic: str, size_bytes: int, sent_s: float) -> None:
        self._sink = sink
        self._is_done = False
        self.error: WorkerError | None = None
        self.topic = topic
        self.size_bytes = size_bytes
        self.sent_s = sent_s

    @property
    def done(self) -> bool:
        """See Receipt. Asking may bring the answer."""
        if not self._is_done:
            self._sink.serve()
        return self._is_done

    @property
    def is_done(self) -> bool:
        """The same without asking."""
        return self._is_done

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Take what the library tells."""
        if error is None:
            self._is_done = True
        elif not self._is_done:
            self._sink.failed(self, error, message.partition())

    def settle(self, error: WorkerError) -> None:
        """Take an error; what comes first stands."""
        if not self._is_done:
            self.error = error
            self._is_done = True


class ConfluentSink:
    """Writes messages; see `worker.broker.contract.Sink` for the contract.

    Opening it waits for nobody. `send` waits for the broker in one case: the partitions of the topic are not known yet.
    `partition_count` makes them known. Nothing bounds what is in flight: the caller must.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        linger_ms: int = 1,
        batch_size: int = 262_144,
        delivery_timeout_ms: int = 120_000,
        transaction: Mapping[str, Any] | None = None,
    ) -> None:
        self.batch_size = batch_size
        self._connection = connection
        self._delivery_timeout_s = delivery_timeout_ms / 1000
        self._settings: dict[str, Any] = {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "retry.backoff.ms": 20,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 2**31 - 1,
            "partitioner": "murmur2_random",  # that of Kafka's own client
            "topic.metadata.propagation.max.ms": _METADATA_S * 1000,
            **(transaction or {"message.timeout.ms": 0, "enable.gapless.guarantee": True}),
        }
        self._in_flight: deque[_Receipt] = deque()
        self._failures: list[tuple[_Receipt, KafkaError, int | None]] = []  # since they were looked at last
        self._partitions: dict[str, int] = {}
        self._unknown = Reasons()
        self._closed = False
        self._open()

    def send(self, message: Outgoing) -> Receipt:
        """See Sink."""
        self._refuse_if_closed()
        why_not = self._why_not(message)
        if why_not is not None:
            return self._refused(why_not)
        size_bytes = len(message.key or b"") + len(message.value or b"")
        receipt = _Receipt(self, message.topic, size_bytes, time.monotonic())
        try:
            self._producer.produce(
                message.topic,
                message.value,
                message.key,
                -1 if message.partition is None else message.partition,
                on_delivery=receipt.on_delivery,
                timestamp=message.timestamp_ms or 0,
                headers=_headers(message.headers),
            )
        except UnicodeEncodeError:
            return self._refused(BrokerRefused(f"a message to {message.topic} has a header whose name is not UTF-8"))
        except KafkaException as exc:
            return self._refused(self._fate(message.topic, exc.args[0]))
        self._in_flight.append(receipt)
        return receipt

    def flush(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """See Sink."""
        self._refuse_if_closed()
        self._await_fates(timeout_s, hurried)
        if self._ended:
            self._recover()

    def serve(self, timeout_s: float = 0) -> None:
        """Ask the library what became of messages, and wait for the first answer for so long."""
        if self._closed:
            return
        try:
            self._producer.poll(timeout_s)
        except KafkaException:  # it came to its end, and the rest of the batch that it is about is still to be told
            with contextlib.suppress(KafkaException):
                self._producer.poll(0)
        while self._in_flight and self._in_flight[0].is_done:
            self._in_flight.popleft()
        if self._failures:
            self._end()
            self._blame()
        elif self._hear.refusal is not None:
            self._give_up(told(self._hear.refusal, "sending"))
        elif self._in_flight and time.monotonic() - self._in_flight[0].sent_s > self._delivery_timeout_s:
            topic = self._in_flight[0].topic
            self._give_up(DeliveryFailed(f"sending to {topic} took longer than {self._delivery_timeout_s:g} s"))

    def failed(self, receipt: _Receipt, error: KafkaError, partition: int | None) -> None:
        """Take note; several may be of one batch."""
        self._failures.append((receipt, error, partition))

    def partition_count(self, topic: str) -> int:
        """See Sink."""
        self._refuse_if_closed()
        what = f"asking for the partitions of {topic}"
        with translated(what):
            found = self._producer.list_topics(topic, timeout=_METADATA_S).topics[topic]
        if found.error is not None:
            raise told(found.error, what, needs=to_describe(topic))
        self._partitions[topic] = len(found.partitions)
        return self._partitions[topic]

    def close(self, *, timeout_s: float) -> None:
        """See Sink."""
        if self._closed:
            return
        with contextlib.suppress(BrokerUnavailable):
            self._await_fates(timeout_s)
        self._stop()
        self._closed = True

    def _await_fates(self, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        begun_s = time.monotonic()
        self.serve()
        while self._in_flight:
            waited_s = time.monotonic() - begun_s
            if waited_s >= timeout_s or hurried():
                raise unanswered(sum(not receipt.is_done for receipt in self._in_flight), waited_s)
            if self._ended and waited_s >= _LAST_WORDS_S:
                self._producer.purge()
            self.serve(min(timeout_s - waited_s, _SLICE_S))

    def _open(self) -> None:
        self._ended = False
        self._hear = Told()
        settings = {**settings_of(self._connection, self._hear), **self._settings, "batch.size": self.batch_size}
        with translated(f"connecting to {self._connection.bootstrap_servers}"):
            self._producer = Producer(settings)

    def _recover(self) -> None:
        """Go on with another producer."""
        self._stop()
        self._open()

    def _stop(self) -> None:
        """Take back what is still in flight, and learn of the rest what became of it."""
        self._end()
        self._producer.purge()
        deadline_s = time.monotonic() + _LAST_WORDS_S
        while self._in_flight and time.monotonic() < deadline_s:
            self.serve(_SLICE_S)
        for receipt in self._in_flight:
            receipt.settle(DeliveryFailed(f"a message to {receipt.topic} was given up"))
        self._in_flight.clear()

    def _end(self) -> None:
        """Send nothing more. What is on its way may still be stored: its answer tells."""
        self._ended = True
        self._producer.purge(in_flight=False)

    def _refused(self, why: WorkerError) -> Refused:
        self._end()
        return Refused(why)

    def _give_up(self, error: WorkerError) -> None:
        """End, with one error for all that is in flight."""
        self._end()
        for receipt in self._in_flight:
            receipt.settle(error)
        self._in_flight.clear()

    def _blame(self) -> None:
        """Tell each message that failed why.

        Of a batch that is too large only a message that was alone in it is to blame: one that fails alone, or is larger
        than a batch may be. The others are to be sent again, in smaller batches.
        """
        failures, self._failures = self._failures, []
        too_large = [partition for _, error, partition in failures if error.code() == KafkaError.MSG_SIZE_TOO_LARGE]
        shared = False
        for receipt, error, partition in failures:
            alone = receipt.size_bytes > self.batch_size or too_large.count(partition) == 1
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and not alone:
                shared = True
                receipt.settle(DeliveryFailed(f"a batch of messages to {receipt.topic} was too large. Send again"))
            else:
                receipt.settle(self._fate(receipt.topic, error))
        if shared:
            self.batch_size = max(1, self.batch_size // _SMALLER)

    def _fate(self, topic: str, error: KafkaError) -> WorkerError:
        return as_fate(told(error, f"sending to {topic}", needs=to_write(topic), unavailable=DeliveryFailed))

    def _why_not(self, message: Outgoing) -> WorkerError | None:
        if message.key is None and message.value is None:
            return BrokerRefused(f"a message to {message.topic} has neither key nor value: it means nothing")
        if self._hear.refusal is not None:
            return told(self._hear.refusal, f"sending to {message.topic}")
        if self._ended:
            return self._unknown.of(message.topic) or not_sent(message.topic)
        count = self._partitions.get(message.topic, 0)
        if not count or (message.partition is not None and message.partition >= count):
            return self._why_unknown(message)
        return None

    def _why_unknown(self, message: Outgoing) -> WorkerError | None:
        """Ask for the partitions of a topic; None when all is well now."""
        why: WorkerError
        try:
            count = self.partition_count(message.topic)
        except (AccessDenied, TopicMissing, BrokerUnavailable) as exc:
            why = as_fate(exc)
        else:
            if message.partition is None or message.partition < count:
                return None
            why = BrokerRefused(f"{message.topic} has {count} partitions, and none with number {message.partition}")
        self._unknown.remember(message.topic, why)
        return why

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the sink is closed")


def _headers(headers: Headers) -> list[tuple[str, str | bytes | None]]:
    """As the library wants them. Raises UnicodeEncodeError."""
    "".join([name for name, _ in headers]).encode()
    return [(name, value or b"") for name, value in headers]


def sink_opener(connection: Connection, **settings: Any) -> Callable[[], ConfluentSink]:
    """Return what opens a ConfluentSink, also while the broker is away; what one learned of batches the next knows."""
    learned: dict[str, int] = {}
    last: ConfluentSink | None = None

    def open_sink() -> ConfluentSink:
        nonlocal last
        if last is not None:
            learned["batch_size"] = last.batch_size
        last = ConfluentSink(connection, **settings | learned)
        return last

    return open_sink
