"""A producer whose messages and offsets become readable together, on librdkafka."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from worker.broker import TopicPartition
from worker.confluent_broker.errors import told, translated
from worker.confluent_broker.sink import ConfluentSink
from worker.errors import BrokerUnavailable, BrokerUnreachable, DeliveryFailed, WorkerError
from worker.kafka_broker.connection import Connection
from worker.kafka_broker.errors import NOTHING, Needs, to_read, to_transact
from worker.kafka_broker.survey import open_survey

_ODD_S: Final = 1.0  # without an answer to a message
_EXPLAIN_S: Final = 2.0
_OPEN_S: Final = 10.0  # for the coordinator to end what an earlier producer has left open


class ConfluentTransactionalSink(ConfluentSink):
    """See `worker.broker.TransactionalSink`. Raises BrokerUnavailable, AccessDenied or Fenced when opened."""

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
        self._ask_at_s = 0.0
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
                self._producer.init_transactions(_OPEN_S)
        except BaseException:
            self.close(timeout_s=0)
            raise

    def serve(self, timeout_s: float = 0) -> None:
        """As ConfluentSink. Of a transaction that cannot be stored any more nothing is told of the messages in it."""
        super().serve(timeout_s)
        now_s = time.monotonic()
        if self._in_flight and now_s - self._in_flight[0].sent_s > _ODD_S and now_s >= self._ask_at_s:
            self._ask_at_s = now_s + _ODD_S
            try:  # it is open: while all is well this is refused for that, else for what went wrong
                self._producer.begin_transaction()
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError._STATE:
                    self._fail(exc.args[0])

    def _fail(self, error: KafkaError) -> None:
        """Blame the messages to a topic that we may not write to; those to others are to be sent again."""
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            closed = self._closed_topics({receipt.topic for receipt in self._in_flight})
            for receipt in self._in_flight:
                if receipt.topic in closed:
                    receipt.settle(self._fate(receipt.topic, error))
        self._give_up(DeliveryFailed(f"the transaction of {self._name} failed: {error.str()}"))

    def _closed_topics(self, names: Collection[str]) -> set[str]:
        """Find out which of them we may not write to: the library does not name them."""
        with suppress(WorkerError), open_survey(self._connection, timeout_s=_EXPLAIN_S) as survey:
            topics = survey.topics(names)
            return {name for name, topic in topics.items() if "WRITE" not in (topic.operations or ())}
        return set()

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
        places = [ck.TopicPartition(*partition, next_offset) for partition, next_offset in next_offsets.items()]
        needs = to_read(", ".join({topic for topic, _ in next_offsets}), group.group_id)
        with self._translated("committing a transaction of", needs=needs):
            self._producer.send_offsets_to_transaction(places, group.metadata, timeout_s)
            self._producer.commit_transaction(max(0.0, deadline_s - time.monotonic()))

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
    """Return what opens a ConfluentTransactionalSink: no answer is BrokerUnreachable first, BrokerUnavailable later."""
    opened = False

    def open_sink() -> ConfluentTransactionalSink:
        nonlocal opened
        try:
            sink = ConfluentTransactionalSink(connection, **settings)
        except BrokerUnavailable as exc:
            if not opened:
                raise BrokerUnreachable(str(exc)) from exc
            raise
        opened = True
        return sink

    return open_sink
