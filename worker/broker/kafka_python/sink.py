"""An idempotent producer, on kafka-python.

What the library (3.0.12) does not do by itself and this file does, each seen on a real broker:

- One message that the broker refuses stops the producer for ever, and every later message fails with the error
  of that one. Here the later ones count as not delivered. See `_Receipt`.
- After any other failure it goes on with what comes behind the message that is missing. Here it ends with the first
  failure of any kind, and `flush` opens another.
- `flush` bounds the wait for each batch, not for all, and gives up when a batch is split. See `flush`.
- `close` raises where a flush would, and leaves its thread running. See `close`.
- A topic that does not exist is asked for until `max_block_ms` is over, at each send. See `_why_unknown`.
- It refuses what Kafka allows: headers without a value (sent as empty), and a message with neither key nor value.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from kafka import KafkaProducer
from kafka.errors import (
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
    RetriableError,
    TopicAuthorizationFailedError,
)

from worker.broker.cluster.admin import require_topics
from worker.broker.connection import Connection, open_client
from worker.broker.contract import Outgoing, Receipt
from worker.broker.kafka_python.errors import to_write, translate, translated
from worker.broker.receipts import Reasons, Refused, as_fate, not_sent, unanswered
from worker.errors import (
    AccessDenied,
    BrokerRefused,
    BrokerUnavailable,
    BrokerUnreachable,
    DeliveryFailed,
    TopicMissing,
    WorkerError,
)

log = logging.getLogger(__name__)

S = TypeVar("S", bound="KafkaSink")

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_METADATA_MS: Final = 2_000  # the most a send may wait to learn where a topic's partitions are
_EXPLAIN_S: Final = 1.0  # for finding out why it did not
_FLUSH_SLICE_S: Final = 0.1
_LAST_WORDS_S: Final = 1.0  # for the producer's thread to end once it was told to


class _Receipt:
    """See Receipt. Filled in by the producer's thread."""

    __slots__ = ("_end", "_refusals", "_topic", "done", "error")

    def __init__(self, topic: str, refusals: list[BaseException], end: Callable[[], None]) -> None:
        self.done = False
        self.error: WorkerError | None = None
        self._topic = topic
        self._refusals = refusals  # shared by all receipts of one producer
        self._end = end

    def settle(self, result: object) -> None:
        """Take the metadata of a stored message, or the exception that it met; what comes first stands."""
        if self.done:
            return
        if isinstance(result, Exception):
            self._end()
            self.error = self._fate(result)
        self.done = True  # last: whoever sees it must see the error

    def _fate(self, exc: Exception) -> WorkerError:
        # The library fails what comes after a refusal with the very exception of that refusal.
        if any(exc is refusal for refusal in self._refusals) or type(exc) is KafkaError or self._is_elsewhere(exc):
            return not_sent(self._topic, f" ({exc})")
        if not isinstance(exc, RetriableError):
            self._refusals.append(exc)
        what = f"sending to {self._topic}"
        return as_fate(translate(exc, what, needs=to_write(self._topic), unavailable=DeliveryFailed))

    def _is_elsewhere(self, exc: Exception) -> bool:
        """In a transaction, what one topic does not take ends the messages to the others, too, in any order."""
        topics = exc.args[0] if isinstance(exc, TopicAuthorizationFailedError) and exc.args else None
        return isinstance(topics, set) and self._topic not in topics


class KafkaSink:
    """Writes messages; see `worker.broker.contract.Sink` for the contract.

    `send` waits for the broker in one case: the partitions of the topic are not known yet. `partition_count`
    makes them known. The size limit is the topic's `max.message.bytes`; `max_request_size` only keeps absurd
    messages off the wire. Nothing bounds what is in flight: the caller must.
    Raises BrokerUnreachable, AccessDenied or SettingsRejected when opened.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        linger_ms: int = 0,
        batch_size: int = 262_144,
        retry_backoff_ms: int = 20,
        delivery_timeout_ms: int = 120_000,
        max_request_size: int = MAX_MESSAGE_BYTES,
        broker_version: tuple[int, ...] | None = None,
        transaction: Mapping[str, Any] | None = None,
    ) -> None:
        """Wait for the broker, unless an earlier sink told its `broker_version`."""
        self._connection = connection
        self._settings: dict[str, Any] = {
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "linger_ms": linger_ms,
            "batch_size": batch_size,
            "retry_backoff_ms": retry_backoff_ms,
            "delivery_timeout_ms": delivery_timeout_ms,
            # One attempt may take no longer than all of them.
            "request_timeout_ms": min(connection.request_timeout_ms, delivery_timeout_ms - linger_ms - 1),
            "max_request_size": max_request_size,
            "max_block_ms": _METADATA_MS,
            "metrics_enabled": False,  # its own, which nobody reads
            **(transaction or {}),
        }
        self._in_flight: deque[_Receipt] = deque()
        self._unknown = Reasons()
        self._closed = False
        self._open(broker_version)

    @property
    def broker_version(self) -> tuple[int, ...]:
        """What the broker speaks: with it another sink opens at once, even while the broker is away."""
        version: tuple[int, ...] = self._producer.config["api_version"]
        return version

    def send(self, message: Outgoing) -> Receipt:
        """See Sink."""
        self._refuse_if_closed()
        while self._in_flight and self._in_flight[0].done:
            self._in_flight.popleft()
        why_not = self._why_not(message)
        if why_not is not None:
            return self._refused(why_not)
        receipt = _Receipt(message.topic, self._refusals, self._end)
        try:
            future = self._producer.send(
                message.topic,
                message.value,
                message.key,
                [(name, value or b"") for name, value in message.headers],
                message.partition,
                message.timestamp_ms,
            )
        except KafkaTimeoutError:
            return self._refused(self._why_unknown(message.topic))
        except (KafkaError, ValueError) as exc:
            return self._refused(_why_not_taken(message.topic, exc))
        except RuntimeError:  # the library's word for a producer whose thread is gone
            if not self._ended:
                raise
            return self._refused(not_sent(message.topic))
        future.add_both(receipt.settle)
        self._in_flight.append(receipt)
        if self._network.refusal is not None:  # it came just now, and those in flight were told before this one was
            receipt.settle(self._network.refusal)
        return receipt

    def flush(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """See Sink."""
        self._refuse_if_closed()
        self._await_fates(timeout_s, hurried)
        if self._ended:
            self._recover()

    def _await_fates(self, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        begun_s = time.monotonic()
        while True:
            while self._in_flight and self._in_flight[0].done:
                self._in_flight.popleft()
            if not self._in_flight:
                return
            waited_s = time.monotonic() - begun_s
            left_s = timeout_s - waited_s
            if left_s <= 0 or hurried():
                raise unanswered(sum(not receipt.done for receipt in self._in_flight), waited_s)
            with contextlib.suppress(KafkaError):  # the slice is over, or a batch was split: look again
                self._producer.flush(min(left_s, _FLUSH_SLICE_S))

    def partition_count(self, topic: str) -> int:
        """See Sink."""
        self._refuse_if_closed()
        try:
            with translated(f"asking for the partitions of {topic}"):
                return len(self._producer.partitions_for(topic))
        except ValueError as exc:
            raise TopicMissing(f"{topic!r} cannot be a topic's name: {exc}") from exc
        except BrokerUnavailable as exc:  # or the topic is missing: the library does not tell which
            try:
                return require_topics(self._connection, [topic], timeout_s=_EXPLAIN_S)[topic]
            except BrokerUnreachable:
                raise exc from None

    def close(self, *, timeout_s: float) -> None:
        """See Sink."""
        if self._closed:
            return
        with contextlib.suppress(BrokerUnavailable):
            self._await_fates(timeout_s)
        self._closed = True
        self._stop()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the sink is closed")

    def _open(self, version: tuple[int, ...] | None) -> None:
        self._ended = False
        self._refusals: list[BaseException] = []
        self._producer, self._network = open_client(
            KafkaProducer, self._connection, api_version=version, **self._settings
        )
        self._network.on_refusal(self._fail_in_flight)

    def _fail_in_flight(self, refusal: Exception) -> None:
        """Tell what the library would keep until the time is over, and then call not delivered."""
        for receipt in list(self._in_flight):
            receipt.settle(refusal)

    def _end(self) -> None:
        """Send nothing more. Called by whoever learns first that a message failed, on any thread."""
        self._ended = True
        self._producer._sender.force_close()

    def _refused(self, why: WorkerError) -> Refused:
        self._end()
        return Refused(why)

    def _recover(self) -> None:
        """Go on with another producer."""
        version = self.broker_version
        self._stop()
        self._open(version)

    def _stop(self) -> None:
        """End the producer's thread; what is still in flight fails."""
        self._producer._sender.force_close()  # close() alone would raise for what is in flight, and stop nothing
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=_LAST_WORDS_S)

    def _why_not(self, message: Outgoing) -> WorkerError | None:
        if message.key is None and message.value is None:
            return BrokerRefused(f"a message to {message.topic} has neither key nor value: kafka-python cannot send it")
        if self._network.refusal is not None:
            return translate(self._network.refusal, f"sending to {message.topic}")
        why = self._unknown.of(message.topic)
        return not_sent(message.topic) if why is None and self._ended else why

    def _why_unknown(self, topic: str) -> WorkerError:
        """Find out why nothing is known of a topic: it is missing, denied, or the broker is away."""
        why: WorkerError
        try:
            require_topics(self._connection, [topic], timeout_s=_EXPLAIN_S)
        except (AccessDenied, TopicMissing, BrokerUnreachable) as exc:
            why = as_fate(exc)
        else:
            why = DeliveryFailed(f"the partitions of {topic} were not known in time. Send again")
        self._unknown.remember(topic, why)
        return why


def _why_not_taken(topic: str, exc: Exception) -> WorkerError:
    """What the library says of a message that it does not take, in our words."""
    if type(exc) not in (KafkaError, IllegalStateError):
        # Too large for a request; no such partition; not a topic's name.
        return BrokerRefused(f"sending to {topic} failed: {exc}")
    return why_ended(exc, f"sending to {topic}")


def why_ended(exc: Exception, what: str) -> WorkerError:
    """What ended a transaction, where the library only says that it is over: the reason may stand beside."""
    fenced = next((cause for cause in exc.args if isinstance(cause, ProducerFencedError)), None)
    return translate(fenced or IllegalStateError(str(exc)), what)


def remembering_version(open_sink: Callable[..., S]) -> Callable[[], S]:
    """Return what opens a sink: the first time it waits for the broker, later it does not.

    So a producer can be replaced while the broker is away.
    """
    version: tuple[int, ...] | None = None

    def open_again() -> S:
        nonlocal version
        sink = open_sink(broker_version=version)
        version = sink.broker_version
        return sink

    return open_again


def sink_opener(connection: Connection, **settings: Any) -> Callable[[], KafkaSink]:
    """Return what opens a KafkaSink. See `remembering_version`."""
    return remembering_version(partial(KafkaSink, connection, **settings))
