"""What the loop leaves for the status page: told once a batch, kept in bounded memory, read as a whole."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from model.predictor import ModelInfo
from worker.broker.contract import TopicPartition
from worker.delivery.backpressure import Backpressure
from worker.delivery.outcomes import Outcome, latencies_s
from worker.monitoring.status.history import History, Span
from worker.scoring.batcher import Trigger
from worker.scoring.inference import ScoredBatch, W
from worker.scoring.pricing import Budget
from worker.wire.reasons import Reason

LAST: Final = 10  # batches, dead letters and reviews
MAX_ID: Final = 80  # characters of a review's id: it may be of any length
MAX_ERROR: Final = 200


@dataclass(frozen=True, slots=True)
class SeenBatch:
    """One batch that the engine has finished."""

    finished_s: float  # monotonic, as the other times here
    reviews: int
    tokens: int
    padding_ratio: float
    trigger: Trigger
    waited_s: float  # of its oldest review, until the engine took it
    inference_s: float


@dataclass(frozen=True, slots=True)
class SeenDeadLetter:
    """One dead letter that the broker has stored."""

    stored_s: float
    partition: TopicPartition
    offset: int
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class SeenReview:
    """One result that the broker has stored."""

    stored_s: float
    review_id: str
    sentiment: Literal["positive", "negative"]
    score: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stood when the loop looked last."""

    at_s: float
    lag: Mapping[TopicPartition, int | None]  # of each owned partition; None while no fetch has told it
    held_records: int
    held_bytes: int
    budget: Budget  # of the batch that the loop formed last


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything recorded, at one moment; the newest comes first."""

    began_s: float
    model: ModelInfo | None
    standing: Standing | None
    spans: Sequence[Span]  # see History.spans
    batches: Sequence[SeenBatch]
    dead_letters: Sequence[SeenDeadLetter]
    reviews: Sequence[SeenReview] | None  # None: they are not kept


class Recorder:
    """Written by the loop's thread, read by the HTTP threads; the lock is held for no longer than a copy takes."""

    def __init__(self, now_s: float, *, keeps_reviews: bool) -> None:
        self._lock = Lock()
        self._began_s = now_s
        self._history = History(now_s)
        self._model: ModelInfo | None = None
        self._standing: Standing | None = None
        self._batches: deque[SeenBatch] = deque(maxlen=LAST)
        self._dead_letters: deque[SeenDeadLetter] = deque(maxlen=LAST)
        self._reviews: deque[SeenReview] | None = deque(maxlen=LAST) if keeps_reviews else None

    def serving(self, model: ModelInfo) -> None:
        """Name the model that scores."""
        with self._lock:
            self._model = model

    def computed(self, scored: ScoredBatch[W], now_s: float) -> None:
        """Note a batch that the engine has finished."""
        batch = scored.batch
        seen = SeenBatch(
            finished_s=now_s,
            reviews=len(batch.rows),
            tokens=batch.tokens,
            padding_ratio=batch.padding_ratio or 0.0,
            trigger=batch.trigger,
            waited_s=scored.waited_s(now_s),
            inference_s=scored.inference_s,
        )
        with self._lock:
            self._batches.appendleft(seen)

    def stored(self, outcomes: Sequence[Outcome], *, now_s: float, at_s: float) -> None:
        """Count what the broker acknowledged, and keep the last of it; `at_s` is now in epoch seconds."""
        dead_letters = [
            SeenDeadLetter(
                now_s, one.record.partition, one.record.offset, one.dead_because, _cut(one.error or "", MAX_ERROR)
            )
            for one in outcomes
            if one.dead_because is not None
        ]
        found = [(one.review_id or "", one.verdict) for one in outcomes if one.verdict is not None]
        with self._lock:
            self._history.add(
                now_s,
                scored=len(found),
                dead_letters=len(dead_letters),
                latencies_s=latencies_s(outcomes, at_s),
            )
            self._dead_letters.extendleft(dead_letters[-LAST:])
            if self._reviews is not None:
                self._reviews.extendleft(
                    SeenReview(now_s, _cut(review_id, MAX_ID), verdict.sentiment, verdict.score)
                    for review_id, verdict in found[-LAST:]
                )

    def stands(
        self,
        now_s: float,
        *,
        partitions: Collection[TopicPartition],
        lag: Mapping[TopicPartition, int],
        held: Backpressure,
        budget: Budget,
    ) -> None:
        """Note how things stand."""
        standing = Standing(
            at_s=now_s,
            lag={partition: lag.get(partition) for partition in sorted(partitions)},
            held_records=held.records,
            held_bytes=held.size_bytes,
            budget=budget,
        )
        with self._lock:
            self._standing = standing

    def seen(self, now_s: float) -> Seen:
        """Return a copy of everything. For any thread."""
        with self._lock:
            return Seen(
                began_s=self._began_s,
                model=self._model,
                standing=self._standing,
                spans=self._history.spans(now_s),
                batches=tuple(self._batches),
                dead_letters=tuple(self._dead_letters),
                reviews=None if self._reviews is None else tuple(self._reviews),
            )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
