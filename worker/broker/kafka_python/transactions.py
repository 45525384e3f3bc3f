"""A producer whose messages and offsets become readable together, on kafka-python.

What the library (3.0.12) does not do by itself and this file does:

- Its waits for the coordinator have no limit. Here each has one. See `commit`.
- A request to the coordinator without an answer in time ends the producer with an error that reads like a refusal.
  Here it is BrokerUnavailable. See `_translated`.
- Offsets that were given to a transaction leak into the next one after an abort, and a message that expires inside a
  transaction is missing from what is committed. So a sink is never used again after an error: the caller checks every
  receipt before it commits, and opens another sink, which ends what this one left open.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from worker.broker.connection import Connection
from worker.broker.contract import TopicPartition
from worker.broker.deadline import Deadline
from worker.broker.errors import Needs, to_read, to_transact
from worker.broker.kafka_python.client import raise_refusal
from worker.broker.kafka_python.errors import translated
from worker.broker.kafka_python.repairs import TransactionSteps
from worker.broker.kafka_python.sink import KafkaSink, why_ended
from worker.broker.sending import OPEN_S, no_answer

_NO_ANSWER: Final = "Could not execute transactional request for unknown reasons: [Error 7]"


class KafkaTransactionalSink(KafkaSink):
    """See `worker.broker.contract.TransactionalSink`. Raises as KafkaSink, and BrokerUnavailable, when opened."""

    def __init__(
        self, connection: Connection, *, transactional_id: str, transaction_timeout_ms: int, **settings: Any
    ) -> None:
        """Take the transactional id over from any earlier producer."""
        self._name = transactional_id
        self._needs = to_transact(transactional_id)
        transaction = {"transactional_id": transactional_id, "transaction_timeout_ms": transaction_timeout_ms}
        super().__init__(connection, transaction=transaction, **settings)
        try:
            self._take_over()
        except BaseException:
            self.close(timeout_s=0)
            raise

    def begin(self) -> None:
        """See TransactionalSink."""
        self._refuse_if_closed()
        what = f"beginning a transaction of {self._name}"
        raise_refusal(self._network, what)
        try:
            self._producer.begin_transaction()
        except KafkaError as exc:
            raise why_ended(exc, what) from exc

    def commit(self, next_offsets: Mapping[TopicPartition, int], membership: object, *, timeout_s: float) -> None:
        """See TransactionalSink."""
        self._refuse_if_closed()
        deadline = Deadline(timeout_s)
        group: Any = membership
        offsets = {
            KafkaPartition(*partition): OffsetAndMetadata(next_offset, "", -1)
            for partition, next_offset in next_offsets.items()
        }
        what = f"committing a transaction of {self._name}"
        needs = {**self._needs, **to_read(", ".join({topic for topic, _ in next_offsets}), group.group_id)}
        steps = TransactionSteps(self._producer)
        with _translated(what, needs=needs):
            if steps.send_offsets(offsets, membership, deadline.left_s) and steps.commit(deadline.left_s):
                return
        raise_refusal(self._network, what)
        raise no_answer(self._name)

    def _recover(self) -> None:
        """A transaction that met a refusal cannot be repaired: everything sent after it fails."""

    def _take_over(self) -> None:
        """Become the one producer of this id; what another has left open is aborted."""
        what = f"taking over the transactional id {self._name}"
        deadline = Deadline(OPEN_S)
        with _translated(what, needs=self._needs):
            while True:
                try:
                    self._producer.init_transactions()
                except KafkaTimeoutError:
                    raise_refusal(self._network, what)
                    if deadline.over:
                        raise
                else:
                    return


@contextmanager
def _translated(what: str, *, needs: Needs) -> Iterator[None]:
    with translated(what, needs=needs):
        try:
            yield
        except KafkaError as exc:
            if _NO_ANSWER in str(exc):
                raise KafkaTimeoutError(str(exc)) from exc
            raise
