"""At least once: publish, wait, commit."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from worker.broker.contract import Receipt, Sink, Source
from worker.broker.deadline import Deadline
from worker.delivery.contract import LEAST_COMMIT_S, Delivery
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcome
from worker.delivery.refusals import error_to_raise
from worker.errors import AssignmentLost, BrokerUnavailable

log = logging.getLogger(__name__)


class AtLeastOnce(Delivery):
    """Publishes, waits for acknowledgements, then commits. A crash repeats what was not committed and skips nothing."""

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
        self._stored: list[Outcome] = []  # and not returned yet, because a call that raises returns nothing

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
        return self._take_stored()

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """See Delivery."""
        deadline = Deadline(timeout_s)
        try:
            if self._in_flight:  # else the sink may be closed: see `restart`
                self._sink.flush(timeout_s=timeout_s, hurried=hurried)
        finally:
            self._collect()
            left_s = 0.0 if hurried() else deadline.left_s
            self._commit(timeout_s=max(LEAST_COMMIT_S, min(left_s, self._commit_timeout_s)))
        return self._take_stored()

    def restart(self) -> list[Outcome]:
        """See Delivery. Closes the producer, because one that gave up on a batch has a gap in its sequence numbers."""
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
        """Take acknowledged outcomes off the front. Raise a failure at the front, once those before it are returned."""
        while self._in_flight and self._in_flight[0][1].done:
            outcome, receipt = self._in_flight[0]
            if receipt.error is not None:
                if self._stored:
                    return
                raise error_to_raise(self._in_flight)
            self._in_flight.popleft()
            self._offsets.finished(outcome.record.partition, outcome.generation, outcome.record.offset)
            self._stored.append(outcome)

    def _take_stored(self) -> list[Outcome]:
        stored, self._stored = self._stored, []
        return stored

    def _commit_if_possible(self, timeout_s: float) -> None:
        try:
            self._commit(timeout_s=timeout_s)
        except AssignmentLost:
            # The next poll returns the lost partitions. The next commit includes the others.
            log.info("a commit came too late because the group rebalances")
        except BrokerUnavailable as exc:
            log.warning("a commit is not confirmed and will be tried again: %s", exc)

    def _commit(self, *, timeout_s: float) -> None:
        next_offsets = self._offsets.committable()
        if next_offsets:
            self._source.commit(next_offsets, timeout_s=timeout_s)
            self._offsets.committed(next_offsets)
