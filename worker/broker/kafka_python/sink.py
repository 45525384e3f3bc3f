"""An idempotent producer, on kafka-python.

What the library (3.0.12) does not do by itself and this file does, each seen on a real broker:

- One message that the broker refuses stops the producer for ever, and every later message fails with the error of that
  one. Here the later ones count as not delivered. See `_outcome`.
- After any other failure it goes on with the messages behind the one that is missing. Here it ends with the first
  failure of any kind, and `flush` opens another.
- `flush` limits the wait for each batch, not for all, and gives up when a batch is split. See `_wait`.
- `close` raises where a flush would, and leaves its thread running. See `_shut_down`.
- It asks for a topic that does not exist until `max_block_ms` is over, at each send. See `_why_unknown`.
- It refuses what Kafka allows: headers without a value (sent as empty), and a message with neither key nor value.
"""

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import (
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
    RetriableError,
    TopicAuthorizationFailedError,
)

from worker.broker import sending
from worker.broker.connection import Connection
from worker.broker.contract import Outgoing
from worker.broker.deadline import Deadline
from worker.broker.errors import to_write
from worker.broker.kafka_python.client import open_admin, open_client, partition_counts
from worker.broker.kafka_python.errors import translate, translated
from worker.broker.kafka_python.repairs import stop_sending
from worker.broker.receipts import Sent, as_outcome, not_sent
from worker.errors import BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed, TopicMissing, WorkerError

_EXPLAIN_S: Final = 1.0  # for finding out why the partitions of a topic are unknown


class KafkaSink(sending.ClientSink):
    """Writes messages; see `worker.broker.contract.Sink` for the contract.

    `send` waits for the broker in one case: the partitions of the topic are not known yet. `partition_count` makes them
    known. Nothing limits what is in flight: the caller must.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        delivery_timeout_ms: int = sending.DELIVERY_TIMEOUT_MS,
        transaction: Mapping[str, Any] | None = None,
        learned: dict[str, Any] | None = None,
    ) -> None:
        """Connect, unless an earlier sink has `learned` what the broker speaks: then the broker may be away.

        Raises BrokerUnreachable, AccessDenied or SettingsRejected.
        """
        super().__init__(connection, learned)
        self._settings: dict[str, Any] = {
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "linger_ms": 0,
            "batch_size": sending.BATCH_BYTES,
            "retry_backoff_ms": sending.RETRY_BACKOFF_MS,
            "delivery_timeout_ms": delivery_timeout_ms,
            # One attempt may take no longer than all of them.
            "request_timeout_ms": min(connection.request_timeout_ms, delivery_timeout_ms - 1),
            "max_request_size": sending.MAX_MESSAGE_BYTES,
            "max_block_ms": round(sending.METADATA_S * 1000),
            "metrics_enabled": False,  # the library's own, which nothing reads
            **(transaction or {}),
        }
        self._open()

    def partition_count(self, topic: str) -> int:
        """See Sink."""
        self._refuse_if_closed()
        try:
            with translated(f"asking for the partitions of {topic}"):
                return len(self._producer.partitions_for(topic))
        except ValueError as exc:
            raise TopicMissing(f"{topic!r} cannot be a topic's name: {exc}") from exc
        except BrokerUnavailable as exc:  # or the topic is missing: the library does not say which
            try:
                return self._ask_for_partitions(topic)
            except (BrokerUnavailable, BrokerUnreachable):
                raise exc from None

    def _open(self) -> None:
        self._refusals: list[Exception] = []
        self._producer, self._network = open_client(KafkaProducer, self._connection, **self._settings | self._learned)
        self._learned["api_version"] = self._producer.config["api_version"]
        self._network.contact.on_refusal = self._on_refusal
        self._ended = False

    def _hand_over(self, message: Outgoing, receipt: Sent) -> WorkerError | None:
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
            return self._unusable_topic(message.topic, self._why_unknown(message.topic))
        except (KafkaError, ValueError) as exc:
            return _why_not_accepted(message.topic, exc)
        except RuntimeError:  # what the library raises when the producer's thread has ended
            if not self._ended:
                raise
            return not_sent(message.topic)
        future.add_both(partial(self._settle, receipt))
        return None

    def _refusal(self, topic: str) -> WorkerError | None:
        refusal = self._network.contact.refusal
        return None if refusal is None else translate(refusal, f"sending to {topic}")

    def _on_refusal(self, refusal: Exception) -> None:
        """Fail at once what the library would keep until the delivery timeout, and then call not delivered."""
        for receipt in list(self._in_flight):
            self._settle(receipt, refusal)

    def _settle(self, receipt: Sent, result: object) -> None:
        """Take the metadata of a stored message, or the exception that it met. Called on the producer's thread."""
        if receipt.is_done:
            return
        if isinstance(result, Exception):
            self._end()
            receipt.settle(self._outcome(receipt.topic, result))
        else:
            receipt.settle(None)

    def _outcome(self, topic: str, exc: Exception) -> WorkerError:
        # The library fails the messages after a refusal with the very exception of that refusal.
        if any(exc is refusal for refusal in self._refusals) or type(exc) is KafkaError or _is_of_another(topic, exc):
            return not_sent(topic, f" ({exc})")
        if not isinstance(exc, RetriableError):
            self._refusals.append(exc)
        what = f"sending to {topic}"
        return as_outcome(translate(exc, what, needs=to_write(topic), unavailable=DeliveryFailed))

    def _serve(self) -> None:
        """The producer's thread settles the receipts."""

    def _wait(self, deadline: Deadline) -> None:
        with contextlib.suppress(KafkaError):  # the slice is over, or a batch was split: look again
            self._producer.flush(min(deadline.left_s, sending.SLICE_S))

    def _stop_sending(self) -> None:
        stop_sending(self._producer)

    def _shut_down(self) -> None:
        stop_sending(self._producer)  # close() alone would raise for what is in flight, and stop nothing
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=sending.LAST_ANSWERS_S)

    def _ask_for_partitions(self, topic: str) -> int:
        with open_admin(self._connection, _EXPLAIN_S) as admin:
            return partition_counts(admin, [topic])[topic]

    def _why_unknown(self, topic: str) -> WorkerError:
        """Find out why the partitions of a topic are unknown: it is missing, denied, or the broker is away."""
        try:
            self._ask_for_partitions(topic)
        except WorkerError as exc:
            return exc
        return DeliveryFailed(f"the partitions of {topic} were not known in time. Send again")


def _is_of_another(topic: str, exc: Exception) -> bool:
    """In a transaction a topic that is denied ends the messages to the others, too, in any order."""
    topics = exc.args[0] if isinstance(exc, TopicAuthorizationFailedError) and exc.args else None
    return isinstance(topics, set) and topic not in topics


def _why_not_accepted(topic: str, exc: Exception) -> WorkerError:
    """Return our error for a message that the library does not accept."""
    if type(exc) not in (KafkaError, IllegalStateError):
        # Too large for a request; an unknown partition; an invalid name of a topic.
        return BrokerRefused(f"sending to {topic} failed: {exc}")
    return why_ended(exc, f"sending to {topic}")


def why_ended(exc: Exception, what: str) -> WorkerError:
    """Return our error where the library says only that a transaction is over: the reason may be its argument."""
    fenced = next((cause for cause in exc.args if isinstance(cause, ProducerFencedError)), None)
    return translate(fenced or IllegalStateError(str(exc)), what)
