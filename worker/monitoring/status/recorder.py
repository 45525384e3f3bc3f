"""What the status page shows of the loop: recorded once a batch, kept in bounded memory, read as a whole."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from model.predictor import ModelInfo
from worker.delivery.outcomes import Outcome, latencies_s
from worker.monitoring.observer import Moment, Observer, Standing, W
from worker.monitoring.status.history import History, Period
from worker.scoring.batcher import Trigger
from worker.scoring.inference import ScoredBatch
from worker.wire.reasons import Reason

LAST: Final = 10  # batches, dead letters and reviews
MAX_ID: Final = 80  # characters of a review's id: it may be of any length
MAX_ERROR: Final = 200


@dataclass(frozen=True, slots=True)
class SeenBatch:
    """One batch that the engine has finished."""

    at_s: float  # when it was finished; monotonic, like all times here
    reviews: int
    tokens: int
    padding_ratio: float
    trigger: Trigger
    waited_s: float  # of its oldest review, until the engine took it
    inference_s: float


@dataclass(frozen=True, slots=True)
class SeenDeadLetter:
    """One dead letter that the broker has stored."""

    at_s: float
    topic: str  # of the input record, like the partition and the offset
    partition: int
    offset: int
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class SeenReview:
    """One result that the broker has stored."""

    at_s: float
    review_id: str
    sentiment: Literal["positive", "negative"]
    score: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything recorded, at one moment; the newest comes first."""

    began_s: float
    model: ModelInfo | None
    standing: Standing | None
    periods: Sequence[Period]  # see History.periods
    batches: Sequence[SeenBatch]
    dead_letters: Sequence[SeenDeadLetter]
    reviews: Sequence[SeenReview] | None  # None if they are not kept


class Recorder(Observer):
    """Written by the loop's thread, read by the HTTP threads. The lock is held only while a copy is made."""

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
        """See Observer."""
        with self._lock:
            self._model = model

    def computed(self, scored: ScoredBatch[W], *, is_current: Callable[[W], bool], at: Moment) -> None:  # noqa: ARG002
        """See Observer."""
        batch = scored.batch
        seen = SeenBatch(
            at_s=at.now_s,
            reviews=len(batch.rows),
            tokens=batch.tokens,
            padding_ratio=batch.padding_ratio or 0.0,
            trigger=batch.trigger,
            waited_s=scored.waited_s(at.now_s),
            inference_s=scored.inference_s,
        )
        with self._lock:
            self._batches.appendleft(seen)

    def stored(self, outcomes: Sequence[Outcome], *, at: Moment) -> None:
        """See Observer. Counts all of them and keeps the newest."""
        now_s = at.now_s
        dead_letters = [
            SeenDeadLetter(
                now_s, *one.record.partition, one.record.offset, one.dead_because, _cut(one.error or "", MAX_ERROR)
            )
            for one in outcomes
            if one.dead_because is not None
        ]
        found = [(one.review_id or "", one.verdict) for one in outcomes if one.verdict is not None]
        with self._lock:
            self._history.add(
                now_s, scored=len(found), dead_letters=len(dead_letters), latencies_s=latencies_s(outcomes, at.epoch_s)
            )
            self._dead_letters.extendleft(dead_letters[-LAST:])
            if self._reviews is not None:
                self._reviews.extendleft(
                    SeenReview(now_s, _cut(review_id, MAX_ID), verdict.sentiment, verdict.score)
                    for review_id, verdict in found[-LAST:]
                )

    def stands(self, standing: Standing) -> None:
        """See Observer."""
        with self._lock:
            self._standing = standing

    def seen(self, now_s: float) -> Seen:
        """Return a copy of everything. Callable from any thread."""
        with self._lock:
            return Seen(
                began_s=self._began_s,
                model=self._model,
                standing=self._standing,
                periods=self._history.periods(now_s),
                batches=tuple(self._batches),
                dead_letters=tuple(self._dead_letters),
                reviews=None if self._reviews is None else tuple(self._reviews),
            )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
