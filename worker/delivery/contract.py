"""How results reach the broker and offsets follow them: the one place that decides when a review is done."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final, Protocol

from worker.broker.contract import Receipt, Sink, Source, TransactionalSink
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcome
from worker.errors import (
    AccessDenied,
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeadLetterRefused,
    DeliveryFailed,
    Fenced,
    WorkerError,
)

log = logging.getLogger(__name__)

LEAST_COMMIT_S: Final = 0.5  # what a commit gets, though the time was spent on what it needs
ONE_NAME_EACH: Final = "Give each worker a transactional_id of its own"


class Delivery(Protocol):
    """Publishes outcomes and commits the offsets they finish. Used by the loop's thread alone."""

    @property
    def unfinished(self) -> int:
        """Outcomes published and not yet known to be stored."""
        ...

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes, of one partition in the order in which their results must appear. Does not block."""
        ...

    def settle(self, now_s: float, *, timeout_s: float = inf) -> list[Outcome]:
        """Return the outcomes stored since the last call, and commit when it is time to, for `timeout_s` at most.

        Raises DeliveryFailed: call `restart` and replay. Raises Fatal: the process must end.
        """
        ...

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Wait for every outcome, commit what is finished, and return as `settle` does.

        Raises as `settle`, and what kept it from committing: BrokerUnavailable when the time is over or it is
        `hurried`, AssignmentLost while the group rebalances (poll, and try again). What is not committed will be
        replayed.
        """
        ...

    def restart(self) -> list[Outcome]:
        """Forget what is in flight after a failure, and return it: none of it will be committed."""
        ...

    def reopen(self) -> None:
        """Make ready to publish again after `restart`. Raises BrokerUnavailable: not ready yet, call again."""
        ...

    def close(self) -> None:
        """Let go of the producer, and of what is in flight: it will not be committed."""
        ...


class AtLeastOnce(Delivery):
    """Publish, wait for the acknowledgements, then commit: a crash repeats the uncommitted window, never skips."""

    def __init__(
        self,
        source: Source,
        open_sink: Callable[[], Sink],
        offsets: Offsets,
        *,
        commit_interval_s: float,
        commit_timeout_s: float,
    ) -> None:
        self._source = source
        self._open_sink = open_sink
        self._sink = open_sink()
        self._offsets = offsets
        self._commit_interval_s = commit_interval_s
        self._commit_timeout_s = commit_timeout_s
        self._commit_due_s = 0.0
        self._in_flight: deque[tuple[Outcome, Receipt]] = deque()
        self._stored: list[Outcome] = []  # and not told yet: what raises tells nothing

    @property
    def unfinished(self) -> int:
        """See Delivery."""
        return len(self._in_flight)

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """See Delivery."""
        for outcome in outcomes:
            self._in_flight.append((outcome, self._sink.send(outcome.message)))

    def settle(self, now_s: float, *, timeout_s: float = inf) -> list[Outcome]:
        """See Delivery."""
        self._collect()
        if now_s >= self._commit_due_s:
            self._commit_due_s = now_s + self._commit_interval_s
            self._commit_if_possible(min(timeout_s, self._commit_timeout_s))
        return self._tell_stored()

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """See Delivery."""
        deadline_s = time.monotonic() + timeout_s
        try:
            if self._in_flight:  # else there may be no sink: it was let go of by `restart`
                self._sink.flush(timeout_s=timeout_s, hurried=hurried)
        finally:
            self._collect()
            left_s = 0.0 if hurried() else deadline_s - time.monotonic()
            self._commit(timeout_s=max(LEAST_COMMIT_S, min(left_s, self._commit_timeout_s)))
        return self._tell_stored()

    def restart(self) -> list[Outcome]:
        """See Delivery. The producer is replaced: one that gave up on a batch has lost its place in the sequence."""
        forgotten = [outcome for outcome, _ in self._in_flight]
        self._in_flight.clear()
        self._sink.close(timeout_s=0)
        return forgotten

    def reopen(self) -> None:
        """See Delivery."""
        self._sink = self._open_sink()

    def close(self) -> None:
        """See Delivery."""
        self._sink.close(timeout_s=0)

    def _collect(self) -> None:
        """Take the acknowledged outcomes off the front; a failure that has come to the front is raised, alone."""
        while self._in_flight and self._in_flight[0][1].done:
            outcome, receipt = self._in_flight[0]
            if receipt.error is not None:
                if self._stored:
                    return
                raise _blame(*_worst_failure(self._in_flight))
            self._in_flight.popleft()
            self._offsets.finished(outcome.record.partition, outcome.generation, outcome.record.offset)
            self._stored.append(outcome)

    def _tell_stored(self) -> list[Outcome]:
        stored, self._stored = self._stored, []
        return stored

    def _commit_if_possible(self, timeout_s: float) -> None:
        try:
            self._commit(timeout_s=timeout_s)
        except AssignmentLost:
            # The next poll tells which partitions are gone; those that stay are committed with the next round.
            log.info("commit came after a rebalance")
        except BrokerUnavailable as exc:
            log.warning("commit not confirmed, will try again: %s", exc)

    def _commit(self, *, timeout_s: float) -> None:
        next_offsets = self._offsets.committable()
        if next_offsets:
            self._source.commit(next_offsets, timeout_s=timeout_s)
            self._offsets.committed(next_offsets)


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
                outcome, error = _worst_failure(self._transaction)
                if isinstance(error, DeliveryFailed):
                    self._send_less()
                raise _blame(outcome, error)
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


def _worst_failure(in_flight: Iterable[tuple[Outcome, Receipt]]) -> tuple[Outcome, WorkerError]:
    """What came with a refused message fails as not delivered, even what was sent before it: the refusal tells more."""
    failures = [(outcome, receipt.error) for outcome, receipt in in_flight if receipt.error is not None]
    return min(failures, key=lambda failure: isinstance(failure[1], DeliveryFailed))


def _blame(outcome: Outcome, error: WorkerError) -> WorkerError:
    """Turn what the broker said of one message into what the loop must do."""
    if not isinstance(error, BrokerRefused | AccessDenied):
        return error
    topic, partition = outcome.record.partition
    where = f"record {topic}-{partition}-{outcome.record.offset}"
    if outcome.dead_because is not None:
        return DeadLetterRefused(
            f"the dead letter of {where} could not be stored in {outcome.message.topic}: {error}. "
            "Mend that topic (size limit, permissions) and start the worker again; nothing was lost"
        )
    return type(error)(f"the result of {where} could not be stored: {error}")
