"""Exactly once: results and offsets in one transaction."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from worker.broker.contract import Receipt, Source, TransactionalSink
from worker.delivery.blame import blame, worst_failure
from worker.delivery.contract import LEAST_COMMIT_S, Delivery
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcome
from worker.errors import (
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeliveryFailed,
    Fenced,
)

log = logging.getLogger(__name__)

ONE_NAME_EACH: Final = "Give each worker a transactional_id of its own"


class ExactlyOnce(Delivery):
    """Results, dead letters and offsets of one checkpoint are one transaction: readers of committed data see each once.

    A transaction begins with the first outcome after a checkpoint, never before the engine has done its work, and takes
    several batches. One that fails is not repeated: the worker goes back to the committed offsets, which know whether
    it was stored. After one that took too long the next is half as large, or a slow connection would fail them all for
    ever; each that succeeds lets them grow by an eighth again.
    Needs outcomes in the order of their offsets: a result must not be stored before those below it.
    """

    def __init__(
        self,
        source: Source,
        open_sink: Callable[[], TransactionalSink],
        offsets: Offsets,
        *,
        checkpoint_interval_s: float,
        checkpoint_outcomes: int,
        commit_timeout_s: float,
        transaction_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A checkpoint is made after `checkpoint_interval_s`, or at `checkpoint_outcomes`, its limit.

        `transaction_timeout_s` is when the broker gives up on a transaction. `clock` is that of `settle`.
        """
        self._source = source
        self._open_sink = open_sink
        self._sink = open_sink()
        self._offsets = offsets
        self._checkpoint_interval_s = checkpoint_interval_s
        self._checkpoint_outcomes = checkpoint_outcomes
        self._size_limit = checkpoint_outcomes
        self._commit_timeout_s = commit_timeout_s
        self._transaction_timeout_s = transaction_timeout_s
        self._clock = clock
        self._transaction: list[tuple[Outcome, Receipt]] = []
        self._answered = 0  # so many of them, from the first on
        self._begun_s = 0.0
        self._due = False  # the transaction takes in no more
        self._waiting: deque[Outcome] = deque()  # for the next one
        self._stored: list[Outcome] = []  # and not told yet: what raises tells nothing

    @property
    def unfinished(self) -> int:
        """See Delivery."""
        return len(self._transaction) + len(self._waiting)

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """See Delivery. They are sent by the `settle` that follows: this must not fail with half of a batch taken."""
        self._waiting.extend(outcomes)

    def settle(self, now_s: float, *, timeout_s: float = inf) -> list[Outcome]:
        """See Delivery. Waits for the broker while it commits a transaction, not for its messages."""
        self._send(now_s)
        if not self._transaction:
            return self._tell_stored()
        full = len(self._transaction) >= self._size_limit
        self._due = self._due or full or now_s - self._begun_s >= self._checkpoint_interval_s
        try:
            answered = self._follow_receipts()
            # While the group rebalances, offsets are refused.
            if self._due and answered and self._source.membership is not None:
                self._checkpoint(min(timeout_s, self._commit_timeout_s))
        except Fenced as exc:
            age_s = self._clock() - self._begun_s  # this process may have stood still since `now_s`
            if age_s < self._transaction_timeout_s:
                raise BrokerRefused(f"{exc}. {ONE_NAME_EACH}") from exc
            raise DeliveryFailed(f"the broker gave up on a transaction after {age_s:.0f} s: {exc}") from exc
        return self._tell_stored()

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """See Delivery."""
        deadline_s = time.monotonic() + timeout_s
        try:
            while self.unfinished:
                self._send(self._clock())
                self._sink.flush(timeout_s=deadline_s - time.monotonic(), hurried=hurried)
                self._follow_receipts()
                self._checkpoint(min(deadline_s - time.monotonic(), self._commit_timeout_s))
        except Fenced as exc:
            raise DeliveryFailed(str(exc)) from exc
        return self._tell_stored()

    def restart(self) -> list[Outcome]:
        """See Delivery. The transaction is ended by `reopen`, or by its time-out."""
        forgotten = [*(outcome for outcome, _ in self._transaction), *self._waiting]
        self._waiting.clear()
        self._begin_anew()
        self._sink.close(timeout_s=0)
        return forgotten

    def reopen(self) -> None:
        """See Delivery."""
        try:
            self._sink = self._open_sink()
        except Fenced as exc:
            raise BrokerRefused(f"{exc}. {ONE_NAME_EACH}") from exc

    def close(self) -> None:
        """See Delivery."""
        self._sink.close(timeout_s=0)

    def _send(self, now_s: float) -> None:
        """Let what waits join the transaction, as far as it may."""
        while self._waiting and not self._due and len(self._transaction) < self._size_limit:
            if not self._transaction:
                self._begin()
                self._begun_s = now_s
            outcome = self._waiting.popleft()
            self._transaction.append((outcome, self._sink.send(outcome.message)))

    def _begin(self) -> None:
        try:
            self._sink.begin()
        except Fenced as exc:
            raise DeliveryFailed(str(exc)) from exc

    def _checkpoint(self, timeout_s: float) -> None:
        """Store the transaction, all of it answered. Raises AssignmentLost while the group rebalances: try again."""
        membership = self._source.membership
        if membership is None:
            raise AssignmentLost("the group rebalances")
        for outcome, _ in self._transaction:
            partition = outcome.record.partition
            if not self._offsets.finished(partition, outcome.generation, outcome.record.offset):
                raise DeliveryFailed(f"{partition} was lost while its results were in a transaction")
        next_offsets = self._offsets.committable()
        try:
            self._sink.commit(next_offsets, membership, timeout_s=max(LEAST_COMMIT_S, timeout_s))
        except (AssignmentLost, BrokerUnavailable) as exc:
            if isinstance(exc, BrokerUnavailable):
                self._send_less()
            raise DeliveryFailed(f"a transaction of {len(self._transaction)} results failed: {exc}") from exc
        self._offsets.committed(next_offsets)
        self._stored += (outcome for outcome, _ in self._transaction)
        self._begin_anew()
        self._size_limit = min(self._size_limit + max(1, self._size_limit // 8), self._checkpoint_outcomes)

    def _follow_receipts(self) -> bool:
        """Whether all of the transaction is stored. One that is not spoils it: without it, the others must not be."""
        while self._answered < len(self._transaction) and self._transaction[self._answered][1].done:
            if self._transaction[self._answered][1].error is not None:
                outcome, error = worst_failure(self._transaction)
                if isinstance(error, DeliveryFailed):
                    self._send_less()
                raise blame(outcome, error)
            self._answered += 1
        return self._answered == len(self._transaction)

    def _send_less(self) -> None:
        self._size_limit = max(1, len(self._transaction) // 2)

    def _tell_stored(self) -> list[Outcome]:
        stored, self._stored = self._stored, []
        return stored

    def _begin_anew(self) -> None:
        self._transaction = []
        self._answered = 0
        self._due = False
