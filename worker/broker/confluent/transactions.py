"""A producer whose messages and offsets become readable together, on librdkafka.

Its time limits do not hold where a coordinator is lost (2.16: issues 5456 and 5511 of librdkafka). See `_in_time`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from worker.broker.cluster.survey import open_survey
from worker.broker.confluent.errors import told, translated
from worker.broker.confluent.sink import ConfluentSink
from worker.broker.connection import Connection
from worker.broker.contract import TopicPartition
from worker.broker.kafka_python.errors import NOTHING, Needs, to_read, to_transact
from worker.broker.kafka_python.transactions import unreachable_at_first
from worker.errors import BrokerUnavailable, DeliveryFailed, WorkerError

_EXPLAIN_S: Final = 2.0
_TAKEN_BACK: Final = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._STATE)
_GRACE_S: Final = 0.5  # for its own error, which tells more
_OPEN_S: Final = 10.0  # for the coordinator to end what an earlier producer has left open


class ConfluentTransactionalSink(ConfluentSink):
    """See `worker.broker.contract.TransactionalSink`. Raises BrokerUnavailable, AccessDenied or Fenced when opened."""

    def __init__(
        self,
        connection: Connection,
        *,
        transactional_id: str,
        transaction_timeout_ms: int,
        delivery_timeout_ms: int = 120_000,
        **settings: Any,
    ) -> None:
        """Take the transactional id over from whoever had it."""
        self._name = transactional_id
        self._closed_topics: dict[str, bool] = {}
        self._needs = to_transact(transactional_id)
        transaction = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": transaction_timeout_ms,
            "message.timeout.ms": min(delivery_timeout_ms, transaction_timeout_ms),
            "socket.timeout.ms": min(connection.request_timeout_ms, transaction_timeout_ms),
        }
        super().__init__(connection, delivery_timeout_ms=delivery_timeout_ms, transaction=transaction, **settings)
        try:
            with self._translated("taking over the transactional id"):
                self._in_time(lambda: self._producer.init_transactions(_OPEN_S), _OPEN_S)
        except BaseException:
            self.close(timeout_s=0)
            raise

    def begin(self) -> None:
        """See TransactionalSink."""
        self._refuse_if_closed()
        with self._translated("beginning a transaction of"):
            self._producer.begin_transaction()

    def commit(self, next_offsets: Mapping[TopicPartition, int], membership: object, *, timeout_s: float) -> None:
        """See TransactionalSink."""
        self._refuse_if_closed()
        deadline_s = time.monotonic() + timeout_s
        group: Any = membership

        def store() -> None:
            self._producer.send_offsets_to_transaction(places, group.metadata, timeout_s)
            self._producer.commit_transaction(max(0.0, deadline_s - time.monotonic()))

        places = [ck.TopicPartition(*partition, next_offset) for partition, next_offset in next_offsets.items()]
        needs = to_read(", ".join({topic for topic, _ in next_offsets}), group.group_id)
        with self._translated("committing a transaction of", needs=needs):
            self._in_time(store, timeout_s)

    def _in_time(self, call: Callable[[], None], timeout_s: float) -> None:
        """Wait for the library on another thread: it does not keep to the time that it is given.

        What is left of the call then ends with the process, and whatever it sends is refused: the next producer of this
        name has a newer epoch.
        """
        answer = Future[None]()

        def run() -> None:
            try:
                call()
            except Exception as exc:  # noqa: BLE001  # whoever waits raises it
                answer.set_exception(exc)
            else:
                answer.set_result(None)

        threading.Thread(target=run, name="wait for a transaction", daemon=True).start()
        try:
            answer.result(timeout_s + _GRACE_S)
        except TimeoutError:
            raise BrokerUnavailable(
                f"no answer about the transaction of {self._name}. Check the broker and the network"
            ) from None

    def _fate(self, topic: str, error: KafkaError) -> WorkerError:
        """What ended the transaction is not told with the messages that are taken back for it: ask."""
        if error.code() not in _TAKEN_BACK:
            return super()._fate(topic, error)
        reason = self._reason()
        if reason.code() == KafkaError._FENCED or (
            reason.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and self._is_closed(topic)
        ):
            return super()._fate(topic, reason)
        return DeliveryFailed(f"a message to {topic} was not stored: the transaction failed ({reason.str()})")

    def _reason(self) -> KafkaError:
        """Why the transaction cannot go on: another one is refused for that."""
        try:
            self._producer.begin_transaction()
        except KafkaException as exc:
            reason: KafkaError = exc.args[0]
            return reason
        return KafkaError(KafkaError._STATE)

    def _is_closed(self, topic: str) -> bool:
        """Whether it is this one that we may not write to: the library does not say which it is."""
        if topic not in self._closed_topics:
            self._closed_topics[topic] = False
            with suppress(WorkerError), open_survey(self._connection, timeout_s=_EXPLAIN_S) as survey:
                self._closed_topics[topic] = "WRITE" not in (survey.topics([topic])[topic].operations or ())
        return self._closed_topics[topic]

    def _recover(self) -> None:
        """A transaction that met a refusal cannot be mended: what is sent after it fails."""

    @contextmanager
    def _translated(self, doing: str, *, needs: Needs = NOTHING) -> Iterator[None]:
        what = f"{doing} {self._name}"
        with translated(what, needs={**self._needs, **needs}):
            try:
                yield
            except KafkaException:
                self.serve()  # the library tells only here that we are not let in
                if self._hear.refusal is not None:
                    raise told(self._hear.refusal, what) from None
                raise


def transactional_sink_opener(connection: Connection, **settings: Any) -> Callable[[], ConfluentTransactionalSink]:
    """Return what opens a ConfluentTransactionalSink. See `unreachable_at_first`."""
    return unreachable_at_first(partial(ConfluentTransactionalSink, connection, **settings))
