"""The loop: poll, admit, dispatch, collect, deliver. Read it from `run` downwards.

This one thread owns the consumer and the producer, and takes every decision. The engine computes on its own threads.
"""

import logging
import time
from collections.abc import Collection, Iterable
from math import inf
from typing import Final, NamedTuple

from model.errors import EngineBroken, ModelError
from worker.broker.contract import Polled, Record, Source, TopicPartition
from worker.broker.deadline import Deadline
from worker.errors import (
    AssignmentLost,
    BrokerUnavailable,
    DeliveryFailed,
    ModelUnusable,
    ReloadFailed,
    TooManyDeadLetters,
    UnreadableReview,
)
from worker.inflight import Clocks, InFlight
from worker.monitoring.observer import Observer, Standing
from worker.scoring.isolation import Poison
from worker.scoring.scorer import Scorer
from worker.scoring.work import Work
from worker.shutdown import Stop
from worker.wire.reasons import Reason
from worker.wire.review import Review, decode_review, review_id_of
from worker.wire.scored import Score

log = logging.getLogger(__name__)

# Longest wait of a poll. A record that arrives ends it at once, so it only limits how late the loop notices a signal or
# a due commit.
IDLE_POLL_S: Final = 0.1
BUSY_POLL_S: Final = 0.01  # the same, while results are on their way
REPORT_S: Final = 1.0  # between two reports of the worker's state
REWIND_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 5.0


class Limits(NamedTuple):
    """Limits on the records of a poll, and on the time to drain and to hand over partitions."""

    max_poll_records: int
    drain_timeout_s: float
    handover_timeout_s: float


class Worker:
    """The loop. `run` is the whole life of the worker, from start to exit."""

    def __init__(
        self,
        *,
        source: Source,
        scorer: Scorer,
        inflight: InFlight,
        observer: Observer,
        limits: Limits,
        clocks: Clocks,
    ) -> None:
        self.scorer = scorer
        self.inflight = inflight
        self._source = source
        self._observer = observer
        self._limits = limits
        self._clocks = clocks
        self._drained_by_s = inf  # set once the worker is asked to stop
        self._report_due_s = 0.0
        self._must_reopen = False
        self._must_rewind = False

    # The life of the worker

    def run(self, stop: Stop, *, until_empty: bool = False) -> None:
        """Score reviews until `stop` is requested, then drain and leave the group.

        With `until_empty`, stop also when the topic is read to its end.
        Raises Fatal for a known cause; any other exception is a bug. After either, nothing more is committed; only
        TooManyDeadLetters commits first.
        """
        self.start()
        try:
            while not stop.requested and not (until_empty and self._caught_up()):
                self.turn()
            self._drain(stop)
        except TooManyDeadLetters:
            self._commit_before_failing()  # or each restart would write the same dead letters again
            raise
        except EngineBroken as exc:
            raise ModelUnusable(f"the engine {self.scorer.model.engine} broke: {exc}. Restart the worker") from exc
        except ModelError as exc:
            raise ModelUnusable(str(exc)) from exc
        finally:
            self._observer.stopping()
            self._close(stop)

    def start(self) -> None:
        """Start the engine if it does not run yet. It warms up while the loop turns."""
        self.inflight.serve(self.scorer.model)
        self.scorer.start()

    def turn(self) -> None:
        """Run one iteration. If the broker did not store a result, go back to the committed offsets."""
        try:
            if not self.scorer.warm:
                self._collect(timeout_s=IDLE_POLL_S)  # raises the error that ended the warm-up
            elif self._must_rewind:
                self._rewind()
            else:
                self._admit(self._poll())
            self._change_model()
            self._dispatch()
            self._collect(timeout_s=0 if self.scorer.engine_idle else BUSY_POLL_S)
            self.inflight.settle()
        except DeliveryFailed as exc:
            self._replay(exc)
        self._report_state()

    def _drain(self, stop: Stop) -> None:
        """Finish what was read, within `drain_timeout_s` of the signal. The next worker scores the rest again."""
        self._observer.stopping()
        self.scorer.keep_model()
        asked_s = self._clocks.monotonic() if stop.requested_s is None else stop.requested_s
        self._drained_by_s = asked_s + self._limits.drain_timeout_s
        try:
            while self.scorer.working and self._drain_left_s() > 0 and not stop.forced:
                self._dispatch(draining=True)
                self._collect(timeout_s=BUSY_POLL_S)
                self.inflight.settle(timeout_s=self._drain_left_s())
                self._follow_group(timeout_s=0)
            self._commit_the_rest(stop)
        except (DeliveryFailed, BrokerUnavailable, AssignmentLost) as exc:
            log.warning("the drain is incomplete, so some reviews will be scored again: %s", exc)
        log.info("drained", extra={"left_behind": self.inflight.held.records})

    def _drain_left_s(self) -> float:
        return max(0.0, self._drained_by_s - self._clocks.monotonic())

    def _commit_the_rest(self, stop: Stop) -> None:
        """Commit. If a rebalance prevents it, follow the rebalance and try again."""
        while not stop.forced:
            try:
                self.inflight.drain(timeout_s=self._drain_left_s(), hurried=lambda: stop.forced)
            except AssignmentLost:
                if not self._drain_left_s():
                    raise
                self._follow_group(timeout_s=IDLE_POLL_S)
            else:
                return

    def _follow_group(self, *, timeout_s: float) -> None:
        """Stay a member of the group without reading more. Commit partitions before they move to another member."""
        self._source.pause(self.inflight.offsets.partitions)
        polled = self._source.poll(timeout_s=timeout_s, max_records=1)
        for partition in polled.lost:
            self.inflight.release(partition)
        self._source.pause(polled.assigned)  # their next owner reads them
        if polled.revoked:
            self._hand_over(polled.revoked)
        self._drop_stale_waiting()

    def _close(self, stop: Stop) -> None:
        """Close everything within CLOSE_TIMEOUT_S: first what others wait for, last what may hang."""
        deadline = Deadline(CLOSE_TIMEOUT_S, self._clocks.monotonic)

        def left_unless_forced_s() -> float:
            return 0 if stop.forced else deadline.left_s

        self.inflight.delivery.close()
        self._source.close(timeout_s=deadline.left_s)
        self._observer.close(at=self._clocks.now(), timeout_s=left_unless_forced_s())
        self.scorer.close(left_unless_forced_s)

    def _caught_up(self) -> bool:
        lag = self._source.lag()
        owned = self.inflight.offsets.partitions
        return self.inflight.held.records == 0 and bool(owned) and all(lag.get(partition) == 0 for partition in owned)

    # Poll

    def _poll(self) -> Polled:
        return self._source.poll(
            timeout_s=self._poll_timeout_s(),
            max_records=max(1, min(self._limits.max_poll_records, self.inflight.held.room_records)),
        )

    def _poll_timeout_s(self) -> float:
        """Return a long timeout only if there is nothing to do before the next record."""
        if not self.scorer.engine_idle:
            return 0.0
        linger_s = self.scorer.lingers_for(self._clocks.monotonic())
        wait_s = BUSY_POLL_S if self.inflight.delivery.unfinished else IDLE_POLL_S
        return wait_s if linger_s is None else min(wait_s, linger_s)

    # Admit

    def _admit(self, polled: Polled) -> None:
        """Follow changes of the assignment. Queue readable reviews for the engine; answer other records at once."""
        if polled.lost or polled.revoked or polled.assigned:
            self._reassign(polled)
        if polled.skipped:
            self._observer.skipped(polled.skipped)
        if not polled.records:
            return
        began_s = time.perf_counter()
        arrived_s = self._clocks.monotonic()
        self.inflight.hold(polled.records)
        readable: list[tuple[Record, int, Review]] = []
        for record in polled.records:
            generation = self.inflight.received(record)
            review = self._read(record, generation)
            if review is not None:
                readable.append((record, generation, review))
        texts = self.scorer.tokenize([review.text for _, _, review in readable])
        works = [
            Work(record, generation, review_id_of(review, record), text, len(text), arrived_s)
            for (record, generation, review), text in zip(readable, texts, strict=True)
        ]
        lookup = self.scorer.add(works)
        self._observer.looked_up(hits=len(lookup.known), joined=lookup.joined, misses=lookup.misses)
        self._answer(lookup.known)
        self._observer.admitted(records=len(polled.records), took_s=time.perf_counter() - began_s)

    def _read(self, record: Record, generation: int) -> Review | None:
        """Return the review. If the record is not a review, publish a dead letter or a tombstone, and return None."""
        if record.value is not None:
            try:
                return decode_review(record.value)
            except UnreadableReview as exc:
                self.inflight.dead_letter(record, generation, Reason(exc.reason), str(exc))
        elif record.key is None:
            self.inflight.dead_letter(record, generation, Reason.KEYLESS_TOMBSTONE, "a null value without a key")
        else:
            self.inflight.pass_on_tombstone(record, generation)
        return None

    # The assignment

    def _reassign(self, polled: Polled) -> None:
        for partition in polled.lost:
            self.inflight.release(partition)
        for partition in polled.assigned:
            self.inflight.begin(partition)
        if self.inflight.held.paused:
            self._source.pause(polled.assigned)
        self._observer.rebalanced()
        if polled.revoked:
            self._hand_over(polled.revoked)
        self._drop_stale_waiting()
        log.info(
            "assignment changed",
            extra={
                "lost": _names(polled.lost),
                "revoked": _names(polled.revoked),
                "assigned": _names(polled.assigned),
                "owned": len(self.inflight.offsets.partitions),
            },
        )

    def _hand_over(self, partitions: Collection[TopicPartition]) -> None:
        """Commit published results while the partitions are still ours, so that their next owner repeats nothing."""
        try:
            self._commit_before("partitions are handed over")
        finally:
            for partition in partitions:
                self.inflight.release(partition)

    def _commit_before(self, event: str) -> None:
        try:
            timeout_s = min(self._limits.handover_timeout_s, self._drain_left_s())
            self.inflight.drain(timeout_s=timeout_s)
        except (AssignmentLost, BrokerUnavailable) as exc:
            log.warning("not all results could be committed before %s, so some may be repeated: %s", event, exc)

    def _commit_before_failing(self) -> None:
        try:
            self._commit_before("the worker stops")
        except DeliveryFailed as exc:
            log.warning("not all results could be stored before the worker stops, so some may be repeated: %s", exc)

    def _drop_stale_waiting(self) -> None:
        """Drop waiting reviews of lost partitions, because the new owner scores them."""
        for work in self.scorer.discard_stale(self.inflight.is_current):
            self.inflight.drop(work.record)

    # Dispatch and collect

    def _dispatch(self, *, draining: bool = False) -> None:
        now_s = self._clocks.monotonic()
        for batch in self.scorer.dispatch(now_s, draining=draining):
            self._observer.dispatched(batch, waited_s=now_s - batch.rows[0].arrived_s)

    def _collect(self, *, timeout_s: float) -> None:
        for scored in self.scorer.collect(timeout_s=timeout_s):
            self._observer.computed(scored, is_current=self.inflight.is_current, at=self._clocks.now())
            self._answer(self.scorer.answers(scored))

    def _answer(self, answers: Iterable[tuple[Work, Score | Poison]]) -> None:
        works, scores = self.inflight.answer(answers)
        self.scorer.compare(works, scores)

    def _change_model(self) -> None:
        """Switch to a requested model between two batches. If it cannot be loaded, keep the current one."""
        try:
            model = self.scorer.change_model()
        except ReloadFailed as exc:
            self._observer.reloaded(succeeded=False)
            log.error("the new model cannot be loaded, so the current one stays: %s", exc)  # noqa: TRY400
            return
        if model is not None:
            self.inflight.serve(model)
            self._observer.reloaded(succeeded=True)
            log.info("model changed", extra={"model": model.name, "version": model.version, "engine": model.engine})

    # Go back to the committed offsets

    def _replay(self, failure: DeliveryFailed) -> None:
        log.warning("a result was not stored; going back to the committed offsets: %s", failure)
        self.inflight.restart()
        self._drop_stale_waiting()
        self._must_reopen = self._must_rewind = True

    def _rewind(self) -> None:
        """Go back to the committed offsets. Nothing is read before this succeeds, because that would skip records."""
        try:
            # Reopen first, because it ends an open transaction. Only then are the committed offsets final.
            if self._must_reopen:
                self.inflight.delivery.reopen()
                self._must_reopen = False
            self._source.rewind(timeout_s=REWIND_TIMEOUT_S)
        except BrokerUnavailable as exc:
            log.warning("the broker is away; the worker will try again to go back to the committed offsets: %s", exc)
        else:
            self._must_rewind = False

    # Housekeeping

    def _report_state(self) -> None:
        now_s = self._clocks.monotonic()
        if self.inflight.held.changed():
            steer = self._source.pause if self.inflight.held.paused else self._source.resume
            steer(self.inflight.offsets.partitions)
        self._observer.turned(
            now_s,
            warm=self.scorer.warm,
            # Waiting only for the broker is not a stall: a restarted worker would wait for the same broker.
            working=self.scorer.working,
            partitions=len(self.inflight.offsets.partitions),
            paused=self.inflight.held.paused,
        )
        if now_s >= self._report_due_s:
            self._report_due_s = now_s + REPORT_S
            self._observer.stands(self._standing(now_s))

    def _standing(self, now_s: float) -> Standing:
        lag = self._source.lag()
        return Standing(
            at_s=now_s,
            lag={partition: lag.get(partition) for partition in sorted(self.inflight.offsets.partitions)},
            held_records=self.inflight.held.records,
            held_bytes=self.inflight.held.size_bytes,
            paused=self.inflight.held.paused,
            budget=self.scorer.pricing.budget,
            broker_silence_s=self._source.silence_s,
        )


def _names(partitions: Collection[TopicPartition]) -> list[str]:
    return sorted(f"{topic}-{partition}" for topic, partition in partitions)
