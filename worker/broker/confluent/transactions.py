"""A producer whose messages and offsets become readable together, on librdkafka.

Its time limits do not hold where a coordinator is lost (2.16: issues 5456 and 5511 of librdkafka). See `_in_time`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]

from worker.broker import sending
from worker.broker.confluent.client import ReportedErrors, settings_of
from worker.broker.confluent.errors import translate, translated
from worker.broker.confluent.sink import ConfluentSink
from worker.broker.connection import Connection
from worker.broker.contract import TopicPartition
from worker.broker.deadline import Deadline
from worker.broker.errors import NOTHING, Needs, to_read, to_transact
from worker.errors import DeliveryFailed, WorkerError

_EXPLAIN_S: Final = 2.0
_TAKEN_BACK: Final = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._STATE)
_GRACE_S: Final = 0.5  # for the library's own error, which says more than ours


class ConfluentTransactionalSink(ConfluentSink):
    """See `worker.broker.contract.TransactionalSink`. Raises BrokerUnavailable, AccessDenied or Fenced when opened."""

    def __init__(
        self,
        connection: Connection,
        *,
        transactional_id: str,
        transaction_timeout_ms: int,
        delivery_timeout_ms: int = sending.DELIVERY_TIMEOUT_MS,
        **settings: Any,
    ) -> None:
        """Take the transactional id over from any earlier producer."""
        self._name = transactional_id
        self._denied_topics: dict[str, bool] = {}
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
                self._in_time(lambda: self._producer.init_transactions(sending.OPEN_S), sending.OPEN_S)
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
        deadline = Deadline(timeout_s)
        group: Any = membership

        def store() -> None:
            self._producer.send_offsets_to_transaction(places, group.metadata, timeout_s)
            self._producer.commit_transaction(deadline.left_s)

        places = [ck.TopicPartition(*partition, next_offset) for partition, next_offset in next_offsets.items()]
        needs = to_read(", ".join({topic for topic, _ in next_offsets}), group.group_id)
        with self._translated("committing a transaction of", needs=needs):
            self._in_time(store, timeout_s)

    def _in_time(self, call: Callable[[], None], timeout_s: float) -> None:
        """Wait for the library on another thread, because it does not keep to the time that it is given.

        What is left of the call ends with the process, and everything it sends is refused: the next producer of this
        name has a newer epoch.
        """
        answer = Future[None]()

        def run() -> None:
            try:
                call()
            except Exception as exc:  # noqa: BLE001  # raised where the answer is waited for
                answer.set_exception(exc)
            else:
                answer.set_result(None)

        threading.Thread(target=run, name="wait for a transaction", daemon=True).start()
        try:
            answer.result(timeout_s + _GRACE_S)
        except TimeoutError:
            raise sending.no_answer(self._name) from None

    def _outcome(self, topic: str, error: KafkaError) -> WorkerError:
        """Messages that are taken back do not say what ended the transaction: ask."""
        if error.code() not in _TAKEN_BACK:
            return super()._outcome(topic, error)
        reason = self._reason()
        if reason.code() == KafkaError._FENCED or (
            reason.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and self._is_denied(topic)
        ):
            return super()._outcome(topic, reason)
        return DeliveryFailed(f"a message to {topic} was not stored: the transaction failed ({reason.str()})")

    def _reason(self) -> KafkaError:
        """Why the transaction cannot go on: the library refuses to begin another for that reason."""
        try:
            self._producer.begin_transaction()
        except KafkaException as exc:
            reason: KafkaError = exc.args[0]
            return reason
        return KafkaError(KafkaError._STATE)

    def _is_denied(self, topic: str) -> bool:
        """Whether this is the topic that we may not write to: the library does not say which one it is."""
        if topic not in self._denied_topics:
            admin = AdminClient(settings_of(self._connection, ReportedErrors()))
            asked = admin.describe_topics(
                TopicCollection([topic]), include_authorized_operations=True, request_timeout=_EXPLAIN_S
            )
            try:
                denied = AclOperation.WRITE not in (asked[topic].result(_EXPLAIN_S).authorized_operations or ())
            except KafkaException as exc:
                denied = exc.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
            except TimeoutError:
                denied = False
            self._denied_topics[topic] = denied
        return self._denied_topics[topic]

    def _recover(self) -> None:
        """A transaction that met a refusal cannot be repaired: everything sent after it fails."""

    @contextmanager
    def _translated(self, doing: str, *, needs: Needs = NOTHING) -> Iterator[None]:
        what = f"{doing} {self._name}"
        with translated(what, needs={**self._needs, **needs}):
            try:
                yield
            except KafkaException:
                self._serve()  # only here the library reports that the cluster refuses us
                if self._errors.refusal is not None:
                    raise translate(self._errors.refusal, what) from None
                raise
