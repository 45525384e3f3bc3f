"""How results reach the broker and offsets follow them: the one place that decides when a review is done."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from worker.broker import Receipt, Sink, Source
from worker.errors import AccessDenied, AssignmentLost, BrokerRefused, BrokerUnavailable, DeadLetterRefused
from worker.offsets import Offsets
from worker.outcomes import Outcome

log = logging.getLogger(__name__)


class Delivery(Protocol):
    """Publishes outcomes and commits the offsets they finish. Used by the loop's thread alone."""

    @property
    def unfinished(self) -> int:
        """Outcomes published and not yet known to be stored."""
        ...

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes, of one partition in the order in which their results must appear. Does not block."""
        ...

    def settle(self, now_s: float) -> list[Outcome]:
        """Return the outcomes stored since the last call, and commit when it is time to.

        Raises DeliveryFailed: call `restart` and replay. Raises Fatal: the process must end.
        """
        ...

    def drain(self, *, timeout_s: float) -> list[Outcome]:
        """Wait for every outcome, commit what is finished, and return as `settle` does.

        Raises as `settle`, and BrokerUnavailable when the time is over: what is not committed will be replayed.
        """
        ...

    def restart(self) -> list[Outcome]:
        """Forget what is in flight after a failure, and return it: none of it will be committed."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Let go of the producer."""
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

    @property
    def unfinished(self) -> int:
        """See Delivery."""
        return len(self._in_flight)

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """See Delivery."""
        for outcome in outcomes:
            self._in_flight.append((outcome, self._sink.send(outcome.message)))

    def settle(self, now_s: float) -> list[Outcome]:
        """See Delivery."""
        stored = self._collect()
        if now_s >= self._commit_due_s:
            self._commit_due_s = now_s + self._commit_interval_s
            self._commit()
        return stored

    def drain(self, *, timeout_s: float) -> list[Outcome]:
        """See Delivery."""
        try:
            self._sink.flush(timeout_s=timeout_s)
        finally:
            stored = self._collect()
            self._commit()
        return stored

    def restart(self) -> list[Outcome]:
        """See Delivery. The producer is replaced: one that gave up on a batch has lost its place in the sequence."""
        forgotten = [outcome for outcome, _ in self._in_flight]
        self._in_flight.clear()
        self._sink.close(timeout_s=0)
        self._sink = self._open_sink()
        return forgotten

    def close(self, *, timeout_s: float) -> None:
        """See Delivery."""
        self._sink.close(timeout_s=timeout_s)

    def _collect(self) -> list[Outcome]:
        """Take the acknowledged outcomes off the front; a failure that has come to the front is raised."""
        stored: list[Outcome] = []
        while self._in_flight and self._in_flight[0][1].done:
            outcome, receipt = self._in_flight[0]
            if receipt.error is not None:
                if stored:
                    break
                raise _blame(outcome, receipt.error)
            self._in_flight.popleft()
            self._offsets.finished(outcome.partition, outcome.generation, outcome.offset)
            stored.append(outcome)
        return stored

    def _commit(self) -> None:
        next_offsets = self._offsets.committable()
        if not next_offsets:
            return
        try:
            self._source.commit(next_offsets, timeout_s=self._commit_timeout_s)
        except AssignmentLost:
            # The next poll tells which partitions are gone; those that stay are committed with the next round.
            log.info("commit came after a rebalance", extra={"partitions": len(next_offsets)})
        except BrokerUnavailable as exc:
            log.warning("commit not confirmed, will try again: %s", exc)
        else:
            self._offsets.committed(next_offsets)


def _blame(outcome: Outcome, error: Exception) -> Exception:
    """Turn what the broker said of one message into what the loop must do."""
    if not isinstance(error, BrokerRefused | AccessDenied):
        return error
    topic, partition = outcome.partition
    where = f"record {topic}-{partition}-{outcome.offset}"
    if outcome.dead_because is not None:
        return DeadLetterRefused(
            f"the dead letter of {where} could not be stored in {outcome.message.topic}: {error}. "
            "Mend that topic (size limit, permissions) and start the worker again; nothing was lost"
        )
    return type(error)(f"the result of {where} could not be stored: {error}")
