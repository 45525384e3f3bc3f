"""The loop: poll, admit, dispatch, collect, deliver. Read it from `run` downwards.

One thread, this one, owns the consumer, the producer and every decision; an `Engine` computes beside it.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import Final, NamedTuple

from model.errors import EngineBroken, ModelError
from model.predictor import ModelInfo, TokenizedText
from worker.broker.contract import Polled, Record, Source, TopicPartition
from worker.delivery.backpressure import Backpressure
from worker.delivery.breaker import Breaker
from worker.delivery.contract import Delivery
from worker.delivery.offsets import Offsets
from worker.delivery.ordering import Ordering
from worker.delivery.outcomes import Outcome, Outcomes
from worker.errors import (
    AssignmentLost,
    BrokerUnavailable,
    DeliveryFailed,
    ModelUnusable,
    ReloadFailed,
    TooManyDeadLetters,
    UnreadableReview,
)
from worker.monitoring.health import Health
from worker.monitoring.metrics import Metrics
from worker.monitoring.status.recorder import Recorder
from worker.monitoring.tracing import UNTRACED, Tracer
from worker.scoring.batcher import Batcher
from worker.scoring.cache import ResultCache
from worker.scoring.inference import Engine, ScoredBatch
from worker.scoring.isolation import Poison
from worker.scoring.pricing import Pricing
from worker.scoring.reloading import Reloader
from worker.scoring.shadow import Shadow
from worker.shutdown import Stop
from worker.wire.headers import trace_id_of
from worker.wire.reasons import Reason
from worker.wire.review import Review, decode_review, review_id_of
from worker.wire.scored import Score

log = logging.getLogger(__name__)

# How long one poll may wait. Idle, an arriving record ends the wait at once, so this only bounds how late a signal
# or a due commit is seen. While results are under way the loop looks after them this often.
IDLE_POLL_S: Final = 0.1
BUSY_POLL_S: Final = 0.01
HOUSEKEEPING_S: Final = 1.0  # how often lag and what is held are shown
REWIND_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 5.0


class Work(NamedTuple):
    """One review on its way through the engine."""

    record: Record
    generation: int
    review_id: str
    text: TokenizedText
    tokens: int  # of the text
    arrived_s: float  # monotonic


class Worker:
    """Joins the parts; `run` is the whole life between start and exit."""

    def __init__(
        self,
        *,
        source: Source,
        delivery: Delivery,
        engine: Engine["Work"],
        reloader: Reloader["Work"],
        shadow: Shadow | None = None,
        offsets: Offsets,
        batcher: Batcher[Work],
        pricing: Pricing,
        cache: ResultCache[Work] | None,
        backpressure: Backpressure,
        breaker: Breaker,
        outcomes: Outcomes,
        metrics: Metrics,
        health: Health,
        recorder: Recorder,
        tracer: Tracer = UNTRACED,
        preserve_order: bool,
        max_poll_records: int,
        drain_timeout_s: float,
        handover_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._delivery = delivery
        self._engine = engine
        self._reloader = reloader
        self._shadow = shadow
        self._next_engine: Engine[Work] | None = None  # takes over when the present one is idle
        self._offsets = offsets
        self._batcher = batcher
        self._pricing = pricing
        self._cache = cache
        self._backpressure = backpressure
        self._breaker = breaker
        self._ordering: Ordering[Outcome] | None = Ordering() if preserve_order else None
        self._outcomes = outcomes
        self._metrics = metrics
        self._health = health
        self._recorder = recorder
        self._tracer = tracer
        self._max_poll_records = max_poll_records
        self._drain_timeout_s = drain_timeout_s
        self._handover_timeout_s = handover_timeout_s
        self._clock = clock
        self._wall_clock = wall_clock
        self._computing: dict[int, None] = {}  # identities of the batches that the engine has, the oldest first
        self._drained_by_s = inf  # once it is asked to stop
        self._housekeeping_due_s = 0.0
        self._ready = False  # as last told
        self._must_reopen = False
        self._must_rewind = False

    # The life of the worker

    def run(self, stop: Stop, *, until_empty: bool = False) -> None:
        """Score until asked to stop, or until the topic is read to its end; then drain and leave the group.

        Raises Fatal, or whatever broke: then nothing more is committed and the group notices by the session time-out.
        """
        self.start()
        try:
            while not stop.requested and not (until_empty and self._caught_up()):
                self.turn()
            self._drain(stop)
        except EngineBroken as exc:
            raise ModelUnusable(
                f"the engine {self._engine.predictor.info.engine} broke: {exc}. Restart the worker"
            ) from exc
        except ModelError as exc:
            raise ModelUnusable(str(exc)) from exc
        finally:
            self._health.stopping = True
            self._close(stop)

    def start(self) -> None:
        """Start the engine, unless it runs; it warms up while the loop turns."""
        self._serve(self._engine.predictor.info)
        self._engine.start()
        if self._shadow is not None:
            self._shadow.start()

    def turn(self) -> None:
        """Go round once. A result that the broker did not store sends everything back to the committed offsets."""
        try:
            if not self._engine.warm:
                self._collect(timeout_s=IDLE_POLL_S)  # raises what broke the warm-up
            elif self._must_rewind:
                self._rewind()
            else:
                self._admit(self._poll())
            self._change_model()
            self._dispatch()
            self._collect(timeout_s=0 if self._engine.idle else BUSY_POLL_S)
            self._finish(self._delivery.settle(self._clock()))
        except DeliveryFailed as exc:
            self._replay(exc)
        self._keep_house()

    def _drain(self, stop: Stop) -> None:
        """Finish what was read, within the budget; what does not fit is scored again by whoever comes next."""
        self._health.stopping = True
        self._next_engine = None
        asked_s = self._clock() if stop.requested_s is None else stop.requested_s
        self._drained_by_s = asked_s + self._drain_timeout_s
        try:
            while (self._batcher or not self._engine.idle) and self._drain_left_s() > 0 and not stop.forced:
                self._dispatch(draining=True)
                self._collect(timeout_s=BUSY_POLL_S)
                self._finish(self._delivery.settle(self._clock(), timeout_s=self._drain_left_s()))
                self._follow_group(timeout_s=0)
            self._commit_the_rest(stop)
        except (DeliveryFailed, BrokerUnavailable, AssignmentLost) as exc:
            log.warning("not everything could be finished and will be scored again: %s", exc)
        log.info("drained", extra={"left_behind": self._backpressure.records})

    def _drain_left_s(self) -> float:
        return max(0.0, self._drained_by_s - self._clock())

    def _commit_the_rest(self, stop: Stop) -> None:
        """Commit, and go along with rebalances that keep us from it."""
        while not stop.forced:
            try:
                self._finish(self._delivery.drain(timeout_s=self._drain_left_s(), hurried=lambda: stop.forced))
            except AssignmentLost:
                if not self._drain_left_s():
                    raise
                self._follow_group(timeout_s=IDLE_POLL_S)
            else:
                return

    def _follow_group(self, *, timeout_s: float) -> None:
        """Stay a member without reading more; what moves to another worker is committed first."""
        self._source.pause(self._offsets.partitions)
        polled = self._source.poll(timeout_s=timeout_s, max_records=1)
        for partition in polled.lost:
            self._let_go(partition)
        self._source.pause(polled.assigned)  # whatever was fetched of it is left to whoever reads it next
        if polled.revoked:
            self._hand_over(polled.revoked)
        self._drop_stale_waiting()

    def _close(self, stop: Stop) -> None:
        """Let go of everything, within CLOSE_TIMEOUT_S altogether: first what others wait for, last what may hang."""
        deadline_s = self._clock() + CLOSE_TIMEOUT_S

        def left_s() -> float:
            return max(0.0, deadline_s - self._clock())

        self._delivery.close()
        self._source.close(timeout_s=left_s())
        self._tracer.close(at_s=self._wall_clock(), timeout_s=0 if stop.forced else left_s())
        self._engine.close(timeout_s=0 if stop.forced else left_s())
        if self._shadow is not None:
            self._shadow.close(timeout_s=0 if stop.forced else left_s())

    def _caught_up(self) -> bool:
        lag = self._source.lag()
        owned = self._offsets.partitions
        return self._backpressure.records == 0 and bool(owned) and all(lag.get(partition) == 0 for partition in owned)

    # Poll

    def _poll(self) -> Polled:
        return self._source.poll(
            timeout_s=self._poll_timeout_s(),
            max_records=max(1, min(self._max_poll_records, self._backpressure.room_records)),
        )

    def _poll_timeout_s(self) -> float:
        """Wait long only when nothing but a new record can make a difference."""
        if not self._engine.idle:
            return 0.0
        linger_s = self._batcher.lingers_for(self._clock())
        wait_s = BUSY_POLL_S if self._delivery.unfinished else IDLE_POLL_S
        return wait_s if linger_s is None else min(wait_s, linger_s)

    # Admit

    def _admit(self, polled: Polled) -> None:
        """Take note of the assignment, then let the readable reviews wait and answer the others at once."""
        if polled.lost or polled.revoked or polled.assigned:
            self._reassign(polled)
        self._metrics.skipped.inc(polled.skipped)
        if not polled.records:
            return
        began_s = time.perf_counter()
        arrived_s = self._clock()
        self._backpressure.hold(len(polled.records), sum([record.size_bytes for record in polled.records]))
        readable: list[tuple[Record, int, Review]] = []
        for record in polled.records:
            generation = self._offsets.received(record.partition, record.offset)
            if self._ordering is not None:
                self._ordering.expect(record.partition, record.offset)
            review = self._read(record, generation)
            if review is not None:
                readable.append((record, generation, review))
        texts = self._engine.predictor.tokenize([review.text for _, _, review in readable])
        works = [
            Work(record, generation, review_id_of(review, record), text, len(text), arrived_s)
            for (record, generation, review), text in zip(readable, texts, strict=True)
        ]
        self._batcher.add_all(self._to_compute(works))
        self._metrics.read.inc(len(polled.records))
        self._metrics.admit_s.observe(time.perf_counter() - began_s)

    def _to_compute(self, works: Sequence[Work]) -> Sequence[Work]:
        """Answer what the cache knows; return what the engine has to compute."""
        if self._cache is None:
            return works
        asked = self._cache.ask(works)
        self._metrics.looked_up(hits=len(asked.known), joined=asked.joined, misses=len(asked.to_compute))
        self._answer(asked.known)
        return asked.to_compute

    def _read(self, record: Record, generation: int) -> Review | None:
        """Return the review; what is none is answered at once."""
        if record.value is not None:
            try:
                return decode_review(record.value)
            except UnreadableReview as exc:
                self._bury(record, generation, Reason(exc.reason), str(exc))
        elif record.key is None:
            self._bury(record, generation, Reason.KEYLESS_TOMBSTONE, "a null value under no key")
        else:
            self._publish([self._outcomes.tombstone(record, generation)])
        return None

    def _bury(
        self, record: Record, generation: int, reason: Reason, error: str, *, review_id: str | None = None
    ) -> None:
        # With its time, since a topic that was made anew begins at 0 again.
        if not self._breaker.allows((record.partition, record.offset, record.timestamp_ms), self._clock()):
            try:
                self._commit_before("the worker stops")  # or each new start would bury the same ones again
            except DeliveryFailed as exc:
                log.warning("results may be repeated, not all could be stored before the worker stops: %s", exc)
            raise TooManyDeadLetters(
                f"more than {self._breaker.limit} dead letters in a minute, the last one {_name(record)}: {error}. "
                "Mend the producer or the model and start again, or raise max_dead_letters_per_minute"
            )
        self._publish([self._outcomes.dead_letter(record, generation, reason, error, at_s=self._wall_clock())])
        about = {"record": _name(record), "review_id": review_id, "trace_id": trace_id_of(record)}
        known = {name: value for name, value in about.items() if value is not None}
        log.warning("dead letter", extra=known | {"reason": reason.value, "error": error})

    def _reassign(self, polled: Polled) -> None:
        for partition in polled.lost:
            self._let_go(partition)
        for partition in polled.assigned:
            self._begin(partition)
        if self._backpressure.paused:
            self._source.pause(polled.assigned)
        self._metrics.rebalances.inc()
        if polled.revoked:
            self._hand_over(polled.revoked)
        self._drop_stale_waiting()
        log.info(
            "assignment changed",
            extra={
                "lost": _names(polled.lost),
                "revoked": _names(polled.revoked),
                "assigned": _names(polled.assigned),
                "owned": len(self._offsets.partitions),
            },
        )

    def _hand_over(self, partitions: Collection[TopicPartition]) -> None:
        """Commit what is published of them while they are still ours, so that their next owner repeats nothing."""
        try:
            self._commit_before("partitions are handed over")
        finally:
            for partition in partitions:
                self._let_go(partition)

    def _commit_before(self, event: str) -> None:
        try:
            timeout_s = min(self._handover_timeout_s, self._drain_left_s())
            self._finish(self._delivery.drain(timeout_s=timeout_s))
        except (AssignmentLost, BrokerUnavailable) as exc:
            log.warning("results may be repeated, not all could be committed before %s: %s", event, exc)

    def _let_go(self, partition: TopicPartition) -> None:
        self._offsets.revoke(partition)
        self._health.partitions = len(self._offsets.partitions)
        self._forget(partition)
        self._metrics.forget_lag(partition)

    def _begin(self, partition: TopicPartition) -> None:
        self._offsets.assign(partition)
        self._health.partitions = len(self._offsets.partitions)
        self._forget(partition)

    def _forget(self, partition: TopicPartition) -> None:
        """Drop the results of a generation that is over and wait for their turn."""
        self._tracer.forgotten(partition, at_s=self._wall_clock())
        if self._ordering is not None:
            for outcome in self._ordering.forget(partition):
                self._drop(outcome.record)

    def _drop_stale_waiting(self) -> None:
        """Reviews of a lost partition need no engine: their new owner scores them."""
        for work in self._batcher.discard(lambda work: not self._is_wanted(work)):
            joined = self._cache.withdraw(work) if self._cache is not None else ()
            for one in (work, *joined):
                self._drop(one.record)

    def _is_wanted(self, work: Work) -> bool:
        """Whether its result is of use: to itself, or to one that joined it."""
        joined = self._cache.joined_to(work) if self._cache is not None else ()
        return any(map(self._is_current, (work, *joined)))

    def _drop(self, record: Record) -> None:
        self._backpressure.release(1, record.size_bytes)
        self._metrics.stale.inc()

    # Dispatch and collect

    def _dispatch(self, *, draining: bool = False) -> None:
        """Give the engine what the batcher finds worth going; a busy engine may have a second one."""
        while self._next_engine is None and self._engine.has_room:
            now_s = self._clock()
            batch = self._batcher.take(
                now_s,
                max_tokens=self._pricing.choose(self._batcher.tokens).tokens,
                engine_idle=self._engine.idle,
                draining=draining,
            )
            if batch is None:
                return
            self._metrics.dispatched(batch, waited_s=now_s - batch.rows[0].arrived_s)
            self._computing[id(batch)] = None
            self._engine.submit(batch)

    def _collect(self, *, timeout_s: float) -> None:
        """Turn scored batches into outcomes, dropping rows whose partition was lost meanwhile."""
        scored = self._engine.collect(timeout_s=timeout_s)
        while scored is not None:
            self._metrics.computed(scored)
            if scored.at_one_go:
                self._pricing.observe(scored.batch.padded_tokens, scored.engine_s)
            now_s = self._clock()
            if id(scored.batch) == next(iter(self._computing)):
                self._health.progressed(now_s)
            del self._computing[id(scored.batch)]
            self._recorder.computed(scored, now_s)
            self._tracer.computed(scored, is_current=self._is_current, now_s=now_s, at_s=self._wall_clock())
            self._take_over(scored)
            scored = self._engine.collect(timeout_s=0)

    def _take_over(self, scored: ScoredBatch[Work]) -> None:
        answers = zip(scored.batch.rows, scored.results, strict=True)
        self._answer(answers if self._cache is None else self._cache.answer(answers))

    def _answer(self, answers: Iterable[tuple[Work, Score | Poison]]) -> None:
        """Make each result an outcome and publish it; what belongs to a lost assignment is dropped."""
        at_s = self._wall_clock()
        fresh: list[tuple[Work, Score]] = []
        for work, result in answers:
            if not self._is_current(work):
                self._drop(work.record)
            elif isinstance(result, Poison):
                self._bury(work.record, work.generation, Reason.UNSCORABLE, result.error, review_id=work.review_id)
            else:
                fresh.append((work, result))
        self._publish(
            [
                self._outcomes.scored(work.record, work.generation, work.review_id, score, at_s=at_s)
                for work, score in fresh
            ]
        )
        scores = [score for _, score in fresh]
        self._metrics.scored(scores, unknown=sum([work.text.unknown for work, _ in fresh]))
        if self._shadow is not None:
            self._shadow.offer([work.record for work, _ in fresh], scores)

    def _is_current(self, work: Work) -> bool:
        return self._offsets.is_current(work.record.partition, work.generation)

    # Another model

    @property
    def changing_model(self) -> bool:
        """Whether another model is ready and waits for the present one to finish what it has."""
        return self._next_engine is not None

    def _change_model(self) -> None:
        """Go on with the model that was asked for, between two batches; one that is of no use is only told."""
        if self._next_engine is None:
            try:
                self._next_engine = self._reloader.take()
            except ReloadFailed as exc:
                self._metrics.reloads["failed"].inc()
                log.error("the model stays as it is, another one cannot be served: %s", exc)  # noqa: TRY400
        if self._next_engine is not None and self._engine.idle:
            self._engine.close(timeout_s=CLOSE_TIMEOUT_S)
            self._engine, self._next_engine = self._next_engine, None
            model = self._engine.predictor.info
            self._serve(model)
            self._pricing.forget()
            self._metrics.reloads["done"].inc()
            log.info("model changed", extra={"model": model.name, "version": model.version, "engine": model.engine})
            self._read_waiting_anew()

    def _serve(self, model: ModelInfo) -> None:
        """Let everybody who names the model know which one it is."""
        self._outcomes.serve(model)
        self._metrics.serving(model)
        self._recorder.serving(model)
        self._tracer.serving(model)

    def _read_waiting_anew(self) -> None:
        """What waits was made into words of another vocabulary."""
        waiting = self._batcher.discard(lambda _: True)
        if self._cache is not None:
            waiting = sorted(waiting + self._cache.clear(), key=lambda work: work.arrived_s)
        texts = self._engine.predictor.tokenize([decode_review(work.record.value or b"").text for work in waiting])
        anew = [work._replace(text=text, tokens=len(text)) for work, text in zip(waiting, texts, strict=True)]
        self._batcher.add_all(self._to_compute(anew))

    # Deliver

    def _publish(self, outcomes: Sequence[Outcome]) -> None:
        """Hand outcomes to the delivery, each when the ones before it in its partition are there."""
        if self._ordering is None:
            self._delivery.publish(outcomes)
            return
        leaving: list[Outcome] = []
        for outcome in outcomes:
            leaving += self._ordering.complete(outcome.record.partition, outcome.record.offset, outcome)
        self._delivery.publish(leaving)

    def _finish(self, stored: Sequence[Outcome]) -> None:
        """Count what the broker has, and give its room back."""
        if not stored:
            return
        self._backpressure.release(len(stored), sum([outcome.record.size_bytes for outcome in stored]))
        at_s = self._wall_clock()
        self._metrics.stored(stored, now_s=at_s)
        self._recorder.stored(stored, now_s=self._clock(), at_s=at_s)
        self._tracer.stored(stored, at_s=at_s)

    def _replay(self, failure: DeliveryFailed) -> None:
        """Forget all that is under way; it is read again from the committed offsets."""
        log.warning("a result was not stored, going back to the committed offsets: %s", failure)
        self._metrics.replays.inc()
        for outcome in self._delivery.restart():
            self._drop(outcome.record)
        for partition in self._offsets.partitions:
            self._begin(partition)
        self._drop_stale_waiting()
        self._must_reopen = self._must_rewind = True

    def _rewind(self) -> None:
        """Nothing may be read before this worked: reading on would skip what was forgotten."""
        try:
            # First: opening ends a transaction that was left open, and the committed offsets are known after it.
            if self._must_reopen:
                self._delivery.reopen()
                self._must_reopen = False
            self._source.rewind(timeout_s=REWIND_TIMEOUT_S)
        except BrokerUnavailable as exc:
            log.warning("the broker is away, will try again to go back: %s", exc)
        else:
            self._must_rewind = False

    # Housekeeping

    def _keep_house(self) -> None:
        now_s = self._clock()
        self._health.warm = self._engine.warm
        # What waits for the broker alone is not stalled: a restart would meet the same broker.
        self._health.turned(now_s, work_waits=bool(self._batcher) or not self._engine.idle)
        if self._backpressure.changed():
            steer = self._source.pause if self._backpressure.paused else self._source.resume
            steer(self._offsets.partitions)
            self._health.paused = self._backpressure.paused
        if now_s >= self._housekeeping_due_s:
            self._housekeeping_due_s = now_s + HOUSEKEEPING_S
            self._health.broker_silence_s = self._source.silence_s
            self._tell_readiness(now_s)
            lag, owned = self._source.lag(), self._offsets.partitions
            self._metrics.state(lag=lag, partitions=len(owned), held=self._backpressure, budget=self._pricing.budget)
            self._recorder.stands(
                now_s, partitions=owned, lag=lag, held=self._backpressure, budget=self._pricing.budget
            )

    def _tell_readiness(self, now_s: float) -> None:
        ready, why = self._health.ready(now_s)
        if ready != self._ready:
            self._ready = ready
            if ready:
                log.info("ready")
            else:
                log.warning("not ready: %s", why)


def _name(record: Record) -> str:
    return f"{record.partition.topic}-{record.partition.partition}-{record.offset}"


def _names(partitions: Collection[TopicPartition]) -> list[str]:
    return sorted(f"{topic}-{partition}" for topic, partition in partitions)
