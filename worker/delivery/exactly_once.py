"""Exactly once: results and offsets in one transaction."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from worker.broker.contract import Receipt, Source, TransactionalSink
from worker.broker.deadline import Deadline
from worker.delivery.contract import LEAST_COMMIT_S, Delivery
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcome
from worker.delivery.refusals import error_to_raise
from worker.errors import AssignmentLost, BrokerRefused, BrokerUnavailable, DeliveryFailed, Fenced

ADVICE_FENCED: Final = "Give each worker a transactional_id of its own"


class ExactlyOnce(Delivery):
    """Stores the results, dead letters and offsets of a checkpoint in one transaction.

    Readers of committed data see each result once. A transaction begins with the first outcome after a checkpoint, so
    it does not stay open while the engine computes that outcome. It takes several batches.
    A failed transaction is not repeated: the worker goes back to the committed offsets, which also show whether the
    transaction was stored. After one that took too long, the next is half as large; otherwise every transaction over a
    slow connection would fail. Each success lets them grow by an eighth.
    Needs outcomes in the order of their offsets, because a result must not be stored before those below it.
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
        """Make a checkpoint after `checkpoint_interval_s`, or earlier, at `checkpoint_outcomes` outcomes.

        The broker aborts a transaction after `transaction_timeout_s`. `clock` is the clock of `settle`.
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
        self._acknowledged = 0  # how many of them, from the first on, are stored
        self._begun_s = 0.0
        self._due = False  # once True, the transaction takes no more outcomes
        self._waiting: deque[Outcome] = deque()  # for the next one
        self._stored: list[Outcome] = []  # and not returned yet, because a call that raises returns nothing

    @property
    def unfinished(self) -> int:
        """See Delivery."""
        return len(self._transaction) + len(self._waiting)

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """See Delivery. The next `settle` sends them, because this must not fail with half of a batch taken."""
        self._waiting.extend(outcomes)

    def settle(self, now_s: float, *, timeout_s: float = inf) -> list[Outcome]:
        """See Delivery. Waits for the broker only to commit a transaction, not to store messages."""
        self._send(now_s)
        if not self._transaction:
            return self._take_stored()
        full = len(self._transaction) >= self._size_limit
        self._due = self._due or full or now_s - self._begun_s >= self._checkpoint_interval_s
        try:
            all_stored = self._check_receipts()
            # While the group rebalances, there is no membership and the broker refuses offsets.
            if self._due and all_stored and (membership := self._source.membership) is not None:
                self._checkpoint(membership, min(timeout_s, self._commit_timeout_s))
        except Fenced as exc:
            age_s = self._clock() - self._begun_s  # the process may have been suspended since `now_s`
            if age_s < self._transaction_timeout_s:
                raise BrokerRefused(f"{exc}. {ADVICE_FENCED}") from exc
            raise DeliveryFailed(f"the broker aborted a transaction after {age_s:.0f} s: {exc}") from exc
        return self._take_stored()

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """See Delivery."""
        deadline = Deadline(timeout_s)
        try:
            while self.unfinished:
                self._send(self._clock())
                self._sink.flush(timeout_s=deadline.left_s, hurried=hurried)
                self._check_receipts()
                if (membership := self._source.membership) is None:
                    raise AssignmentLost("the group rebalances")
                self._checkpoint(membership, min(deadline.left_s, self._commit_timeout_s))
        except Fenced as exc:
            raise DeliveryFailed(str(exc)) from exc
        return self._take_stored()

    def restart(self) -> list[Outcome]:
        """See Delivery. `reopen`, or the transaction's timeout, ends the open transaction."""
        forgotten = [*(outcome for outcome, _ in self._transaction), *self._waiting]
        self._waiting.clear()
        self._clear_transaction()
        self._sink.close(timeout_s=0)
        return forgotten

    def reopen(self) -> None:
        """See Delivery."""
        try:
            self._sink = self._open_sink()
        except Fenced as exc:
            raise BrokerRefused(f"{exc}. {ADVICE_FENCED}") from exc

    def close(self) -> None:
        """See Delivery."""
        self._sink.close(timeout_s=0)

    def _send(self, now_s: float) -> None:
        """Send waiting outcomes, as many as the transaction may take."""
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

    def _checkpoint(self, membership: object, timeout_s: float) -> None:
        """Commit the transaction, as this member of the group. All its messages must be stored."""
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
        self._clear_transaction()
        self._size_limit = min(self._size_limit + max(1, self._size_limit // 8), self._checkpoint_outcomes)

    def _check_receipts(self) -> bool:
        """Return whether every message of the transaction is stored. Raises if one failed: it needs them all."""
        while self._acknowledged < len(self._transaction) and self._transaction[self._acknowledged][1].done:
            if self._transaction[self._acknowledged][1].error is not None:
                error = error_to_raise(self._transaction)
                if isinstance(error, DeliveryFailed):
                    self._send_less()
                raise error
            self._acknowledged += 1
        return self._acknowledged == len(self._transaction)

    def _send_less(self) -> None:
        self._size_limit = max(1, len(self._transaction) // 2)

    def _take_stored(self) -> list[Outcome]:
        stored, self._stored = self._stored, []
        return stored

    def _clear_transaction(self) -> None:
        self._transaction = []
        self._acknowledged = 0
        self._due = False
