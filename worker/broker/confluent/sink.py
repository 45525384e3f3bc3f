"""An idempotent producer, on librdkafka.

The library sends on threads of its own. Outcomes wait in a queue until `_poll` takes them, on the caller's thread.

What the library (2.16) does not do by itself and this file does:

- After a message that timed out it goes on with those behind it. So none has a time limit here: `_poll` checks how long
  the oldest has waited, and gives up on all of them. After a refusal it would go on, too, but for the setting
  `enable.gapless.guarantee`; and a producer that has met a refusal is of no more use. `flush` opens another.
- It blames a batch that is too large for the topic on each message in it, and never splits one. See `_settle_failures`.
- It reports a missing topic a while after the send. So a topic is looked up before the first. See `_why_unknown`.
- A header whose name is not UTF-8 ends the process. Such a message is refused.
"""

import contextlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from worker.broker import sending
from worker.broker.confluent.client import ReportedErrors, settings_of
from worker.broker.confluent.errors import translate, translated
from worker.broker.connection import Connection
from worker.broker.contract import Headers, Outgoing
from worker.broker.deadline import Deadline
from worker.broker.errors import to_describe, to_write
from worker.broker.receipts import Sent, as_outcome
from worker.errors import BrokerRefused, DeliveryFailed, WorkerError

_SMALLER: Final = 4  # times


class ConfluentSink(sending.ClientSink):
    """Writes messages; see `worker.broker.contract.Sink` for the contract.

    Opening it waits for no broker. `send` waits in one case: the partitions of the topic are not known yet.
    `partition_count` makes them known. Nothing limits what is in flight: the caller must.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        delivery_timeout_ms: int = sending.DELIVERY_TIMEOUT_MS,
        learned: dict[str, Any] | None = None,
        transaction: Mapping[str, Any] | None = None,
    ) -> None:
        """Take `learned` from earlier sinks: how large a batch may be."""
        super().__init__(connection, learned)
        self._learned.setdefault("batch.size", sending.BATCH_BYTES)
        self._delivery_timeout_s = delivery_timeout_ms / 1000
        self._settings: dict[str, Any] = {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 1,
            "retry.backoff.ms": sending.RETRY_BACKOFF_MS,
            "message.max.bytes": sending.MAX_MESSAGE_BYTES,
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 2**31 - 1,
            "partitioner": "murmur2_random",  # that of Kafka's own client
            "topic.metadata.propagation.max.ms": round(sending.METADATA_S * 1000),
            **(transaction or {"message.timeout.ms": 0, "enable.gapless.guarantee": True}),
        }
        self._failures: list[tuple[Sent, KafkaError, int | None]] = []  # since `_poll` last handled them
        self._partitions: dict[str, int] = {}
        self._open()

    def partition_count(self, topic: str) -> int:
        """See Sink."""
        self._refuse_if_closed()
        what = f"asking for the partitions of {topic}"
        with translated(what):
            found = self._producer.list_topics(topic, timeout=sending.METADATA_S).topics[topic]
        if found.error is not None:
            raise translate(found.error, what, needs=to_describe(topic))
        self._partitions[topic] = len(found.partitions)
        return self._partitions[topic]

    def _open(self) -> None:
        self._errors = ReportedErrors()
        settings = {**settings_of(self._connection, self._errors), **self._settings, **self._learned}
        with translated(f"connecting to {self._connection.bootstrap_servers}"):
            self._producer = Producer(settings)
        self._ended = False

    def _hand_over(self, message: Outgoing, receipt: Sent) -> WorkerError | None:
        if (unknown := self._why_unknown(message)) is not None:
            return unknown
        try:
            self._producer.produce(
                message.topic,
                message.value,
                message.key,
                -1 if message.partition is None else message.partition,
                on_delivery=partial(self._on_delivery, receipt),
                timestamp=message.timestamp_ms or 0,
                headers=_headers(message.headers),
            )
        except UnicodeEncodeError:
            return BrokerRefused(f"a message to {message.topic} has a header whose name is not UTF-8")
        except KafkaException as exc:
            return self._outcome(message.topic, exc.args[0])
        return None

    def _why_unknown(self, message: Outgoing) -> WorkerError | None:
        """Return the outcome of a message whose topic or partition is unknown, also after asking."""
        topic, number = message.topic, message.partition or 0
        if number < self._partitions.get(topic, 0):
            return None
        try:
            count = self.partition_count(topic)
        except WorkerError as exc:
            return self._unusable_topic(topic, exc)
        if number < count:
            return None
        return BrokerRefused(f"{topic} has {count} partitions, and none with number {number}")

    def _on_delivery(self, receipt: Sent, error: KafkaError | None, message: Delivered) -> None:
        if error is None:
            receipt.settle(None)
        elif not receipt.is_done:
            self._failures.append((receipt, error, message.partition()))

    def _refusal(self, topic: str) -> WorkerError | None:
        refusal = self._errors.refusal
        return None if refusal is None else translate(refusal, f"sending to {topic}")

    def _serve(self) -> None:
        self._poll(0)

    def _poll(self, timeout_s: float) -> None:
        """Ask the library for outcomes, and wait up to `timeout_s` for the first."""
        if self._closed:
            return
        try:
            self._producer.poll(timeout_s)
        except KafkaException:  # the producer ended; outcomes of the batch it ended for may still wait
            with contextlib.suppress(KafkaException):
                self._producer.poll(0)
        self._drop_done()
        if self._failures:
            self._end()
            self._settle_failures()
        elif self._errors.refusal is not None:
            self._give_up(translate(self._errors.refusal, "sending"))
        elif self._in_flight and time.monotonic() - self._in_flight[0].sent_s > self._delivery_timeout_s:
            topic = self._in_flight[0].topic
            self._give_up(DeliveryFailed(f"sending to {topic} took longer than {self._delivery_timeout_s:g} s"))

    def _wait(self, deadline: Deadline) -> None:
        if self._ended and deadline.elapsed_s >= sending.LAST_ANSWERS_S:
            self._producer.purge()
        self._poll(min(deadline.left_s, sending.SLICE_S))

    def _stop_sending(self) -> None:
        self._producer.purge(in_flight=False)  # what is on its way may still be stored: its answer says so

    def _shut_down(self) -> None:
        self._end()
        self._producer.purge()
        deadline = Deadline(sending.LAST_ANSWERS_S)
        while self._in_flight and not deadline.over:
            self._poll(sending.SLICE_S)
        for receipt in self._in_flight:
            receipt.settle(DeliveryFailed(f"a message to {receipt.topic} was given up"))
        self._in_flight.clear()
        # Destroyed here, not by the garbage collector: until then it goes on asking for its transactional id in the
        # background, and would fence the next producer.
        del self._producer

    def _give_up(self, error: WorkerError) -> None:
        """End, with one error for everything in flight."""
        self._end()
        for receipt in self._in_flight:
            receipt.settle(error)
        self._in_flight.clear()

    def _settle_failures(self) -> None:
        """Give each message that failed its outcome.

        For a batch that is too large, only a message that was alone in it is to blame: one that fails alone, or is
        larger than a batch may be. The others have to be sent again, in smaller batches.
        """
        failures, self._failures = self._failures, []
        too_large = [partition for _, error, partition in failures if error.code() == KafkaError.MSG_SIZE_TOO_LARGE]
        shared = False
        for receipt, error, partition in failures:
            alone = receipt.size_bytes > self._learned["batch.size"] or too_large.count(partition) == 1
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and not alone:
                shared = True
                receipt.settle(DeliveryFailed(f"a batch of messages to {receipt.topic} was too large. Send again"))
            else:
                receipt.settle(self._outcome(receipt.topic, error))
        if shared:
            self._learned["batch.size"] = max(1, self._learned["batch.size"] // _SMALLER)

    def _outcome(self, topic: str, error: KafkaError) -> WorkerError:
        return as_outcome(translate(error, f"sending to {topic}", needs=to_write(topic), unavailable=DeliveryFailed))


def _headers(headers: Headers) -> list[tuple[str, str | bytes | None]]:
    """Return headers in the library's type. Raises UnicodeEncodeError."""
    "".join([name for name, _ in headers]).encode()
    return [(name, value or b"") for name, value in headers]
