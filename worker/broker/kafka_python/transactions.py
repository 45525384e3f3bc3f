"""A producer whose messages and offsets become readable together, on kafka-python.

What the library (3.0.12) does not do by itself and this file does:

- Its waits for the coordinator have no end. Here each has a limit. See `_wait`.
- A request to the coordinator without an answer in time ends the producer with an error that reads like a refusal.
  Here it is BrokerUnavailable. See `_translated`.
- Offsets that were given to a transaction leak into the next one after an abort, and a message that expires inside a
  transaction is missing from what is committed. So one that went wrong is never used again: whoever commits has asked
  every receipt, and after an error opens another sink, which ends what this one has left open.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from worker.broker.connection import Connection, raise_refusal
from worker.broker.contract import TopicPartition
from worker.broker.kafka_python.errors import Needs, to_read, to_transact, translated
from worker.broker.kafka_python.sink import KafkaSink, remembering_version, why_ended
from worker.errors import BrokerUnavailable, BrokerUnreachable

S = TypeVar("S")

_OPEN_S: Final = 10.0  # for the coordinator to end what an earlier producer has left open
_NO_ANSWER: Final = "Could not execute transactional request for unknown reasons: [Error 7]"


class KafkaTransactionalSink(KafkaSink):
    """See `worker.broker.contract.TransactionalSink`. Raises as KafkaSink, and BrokerUnavailable, when opened."""

    def __init__(
        self, connection: Connection, *, transactional_id: str, transaction_timeout_ms: int, **settings: Any
    ) -> None:
        """Take the transactional id over from whoever had it."""
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
        deadline_s = time.monotonic() + timeout_s
        transactions: Any = self._producer._transaction_manager
        group: Any = membership
        offsets = {
            KafkaPartition(*partition): OffsetAndMetadata(next_offset, "", -1)
            for partition, next_offset in next_offsets.items()
        }
        needs = {**self._needs, **to_read(", ".join({topic for topic, _ in next_offsets}), group.group_id)}
        with _translated(f"committing a transaction of {self._name}", needs=needs):
            self._wait(transactions.send_offsets_to_transaction(offsets, membership), deadline_s)
            self._wait(transactions.begin_commit(), deadline_s)

    def _recover(self) -> None:
        """A transaction that met a refusal cannot be mended: what is sent after it fails."""

    def _take_over(self) -> None:
        """Become the one producer of this id; what another has left open is aborted."""
        deadline_s = time.monotonic() + _OPEN_S
        with _translated(f"taking over the transactional id {self._name}", needs=self._needs):
            while True:
                try:
                    self._producer.init_transactions()
                except KafkaTimeoutError:
                    raise_refusal(self._network, f"taking over the transactional id {self._name}")
                    if time.monotonic() >= deadline_s:
                        raise
                else:
                    return

    def _wait(self, result: Any, deadline_s: float) -> None:
        """Wait for one step. Raises what ended it, and BrokerUnavailable when the time is over."""
        self._producer._sender.wakeup()
        left_s = max(0.0, deadline_s - time.monotonic())
        if not result.wait(timeout_ms=left_s * 1000):
            raise_refusal(self._network, f"committing a transaction of {self._name}")
            raise BrokerUnavailable(
                f"no answer about the transaction of {self._name}. Check the broker and the network"
            )


@contextmanager
def _translated(what: str, *, needs: Needs) -> Iterator[None]:
    with translated(what, needs=needs):
        try:
            yield
        except KafkaError as exc:
            if _NO_ANSWER in str(exc):
                raise KafkaTimeoutError(str(exc)) from exc
            raise


def unreachable_at_first(open_sink: Callable[[], S]) -> Callable[[], S]:
    """Return what opens a sink: no answer is BrokerUnreachable until it was opened once, BrokerUnavailable later."""
    opened = False

    def open_it() -> S:
        nonlocal opened
        try:
            sink = open_sink()
        except BrokerUnavailable as exc:
            if not opened:
                raise BrokerUnreachable(str(exc)) from exc
            raise
        opened = True
        return sink

    return open_it


def transactional_sink_opener(connection: Connection, **settings: Any) -> Callable[[], KafkaTransactionalSink]:
    """Return what opens a KafkaTransactionalSink. See `unreachable_at_first` and `remembering_version`."""
    return unreachable_at_first(remembering_version(partial(KafkaTransactionalSink, connection, **settings)))
