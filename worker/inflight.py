"""The records that were read and are not finished: each until its result is stored or dropped."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import NamedTuple

from model.predictor import ModelInfo
from worker.broker.contract import Record, TopicPartition
from worker.delivery.backpressure import Backpressure
from worker.delivery.breaker import Breaker
from worker.delivery.contract import Delivery
from worker.delivery.offsets import Offsets
from worker.delivery.ordering import Ordering
from worker.delivery.outcomes import Outcome, Outcomes
from worker.errors import TooManyDeadLetters
from worker.monitoring.observer import Moment, Observer
from worker.scoring.isolation import Poison
from worker.scoring.work import Work
from worker.wire.headers import trace_id_of
from worker.wire.reasons import Reason
from worker.wire.scored import Score

log = logging.getLogger(__name__)


class Clocks(NamedTuple):
    """Two functions that return the time in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    epoch: Callable[[], float] = time.time

    def now(self) -> Moment:
        """Return the current time on both."""
        return Moment(self.monotonic(), self.epoch())


class InFlight:
    """Tracks the order, the offsets and the memory of records in flight. Used only by the loop's thread."""

    def __init__(
        self,
        *,
        delivery: Delivery,
        offsets: Offsets,
        outcomes: Outcomes,
        held: Backpressure,
        breaker: Breaker,
        observer: Observer,
        clocks: Clocks,
    ) -> None:
        self.held = held
        self.offsets = offsets
        self.delivery = delivery
        self._outcomes = outcomes
        self._ordering: Ordering[Outcome] = Ordering()
        self._breaker = breaker
        self._observer = observer
        self._clocks = clocks

    def serve(self, model: ModelInfo) -> None:
        """Name this model in outcomes and metrics from now on."""
        self._outcomes.serve(model)
        self._observer.serving(model)

    # Partitions

    def begin(self, partition: TopicPartition) -> None:
        """Start a new generation of a partition that was assigned or is read again."""
        self.offsets.assign(partition)
        self._forget(partition)

    def release(self, partition: TopicPartition) -> None:
        """Forget a partition that is no longer ours, and drop its results."""
        self.offsets.revoke(partition)
        self._forget(partition)
        self._observer.released(partition)

    def _forget(self, partition: TopicPartition) -> None:
        """Drop results of the old generation that wait for their turn."""
        self._observer.forgotten(partition, at=self._clocks.now())
        for outcome in self._ordering.forget(partition):
            self.drop(outcome.record)

    def is_current(self, work: Work) -> bool:
        """Whether the generation that read the review is current. If not, its result must not be published."""
        return self.offsets.is_current(work.record.partition, work.generation)

    # Records

    def hold(self, records: Sequence[Record]) -> None:
        """Count records that a poll returned."""
        self.held.hold(len(records), sum([record.size_bytes for record in records]))

    def received(self, record: Record) -> int:
        """Expect a result for this record; return the generation of its partition."""
        generation = self.offsets.received(record.partition, record.offset)
        self._ordering.expect(record.partition, record.offset)
        return generation

    def drop(self, record: Record) -> None:
        """Discard a record whose partition was lost or is read again."""
        self.held.release(1, record.size_bytes)
        self._observer.dropped()

    # Answers

    def answer(self, answers: Iterable[tuple[Work, Score | Poison]]) -> tuple[list[Work], list[Score]]:
        """Publish each answer as a result or a dead letter. Drop answers that are not current.

        Return the scored reviews and their scores. Raises TooManyDeadLetters.
        """
        at_s = self._clocks.epoch()
        works: list[Work] = []
        scores: list[Score] = []
        for work, result in answers:
            if not self.is_current(work):
                self.drop(work.record)
            elif isinstance(result, Poison):
                self.dead_letter(
                    work.record, work.generation, Reason.UNSCORABLE, result.error, review_id=work.review_id
                )
            else:
                works.append(work)
                scores.append(result)
        self._publish(
            [
                self._outcomes.scored(work.record, work.generation, work.review_id, score, at_s=at_s)
                for work, score in zip(works, scores, strict=True)
            ]
        )
        self._observer.scored(scores, unknown=sum([work.text.unknown for work in works]))
        return works, scores

    def pass_on_tombstone(self, record: Record, generation: int) -> None:
        """Answer a tombstone with a tombstone."""
        self._publish([self._outcomes.tombstone(record, generation)])

    def dead_letter(
        self, record: Record, generation: int, reason: Reason, error: str, *, review_id: str | None = None
    ) -> None:
        """Publish a record as a dead letter, and log it. Raises TooManyDeadLetters."""
        name = f"{record.partition.topic}-{record.partition.partition}-{record.offset}"
        # The timestamp is part of the identity, because the offsets of a recreated topic begin at 0 again.
        if not self._breaker.allows((record.partition, record.offset, record.timestamp_ms), self._clocks.monotonic()):
            raise TooManyDeadLetters(
                f"more than {self._breaker.limit} dead letters in a minute; the last one is {name}: {error}. "
                "Fix the producer or the model and restart the worker, or raise max_dead_letters_per_minute"
            )
        self._publish([self._outcomes.dead_letter(record, generation, reason, error, at_s=self._clocks.epoch())])
        about = {"record": name, "review_id": review_id, "trace_id": trace_id_of(record)}
        known = {key: value for key, value in about.items() if value is not None}
        log.warning("dead letter", extra=known | {"reason": reason.value, "error": error})

    def _publish(self, outcomes: Sequence[Outcome]) -> None:
        """Pass outcomes to the delivery, in the order of their offsets within each partition."""
        leaving: list[Outcome] = []
        for outcome in outcomes:
            leaving += self._ordering.complete(outcome.record.partition, outcome.record.offset, outcome)
        self.delivery.publish(leaving)

    # Delivery

    def settle(self, *, timeout_s: float = inf) -> None:
        """Count what the broker has stored, and commit if a commit is due. Raises as `Delivery.settle`."""
        self._finish(self.delivery.settle(self._clocks.monotonic(), timeout_s=timeout_s))

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """Wait until everything published is stored, and commit it. Raises as `Delivery.drain`."""
        self._finish(self.delivery.drain(timeout_s=timeout_s, hurried=hurried))

    def restart(self) -> None:
        """Forget everything in flight after a failed delivery. It will be read again from the committed offsets."""
        self._observer.replayed()
        for outcome in self.delivery.restart():
            self.drop(outcome.record)
        for partition in self.offsets.partitions:
            self.begin(partition)

    def _finish(self, stored: Sequence[Outcome]) -> None:
        if stored:
            self.held.release(len(stored), sum([outcome.record.size_bytes for outcome in stored]))
            self._observer.stored(stored, at=self._clocks.now())
