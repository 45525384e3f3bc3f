"""What the status page shows of the loop: recorded once a batch, kept in bounded memory, read as a whole."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, NamedTuple

from model.predictor import ModelInfo
from worker.delivery.outcomes import Outcome, latencies_s
from worker.monitoring.observer import Moment, Observer, Standing
from worker.monitoring.status.history import History, Period
from worker.scoring.inference import ScoredBatch
from worker.scoring.work import Work

LAST: Final = 10  # batches, dead letters and reviews
MAX_ID: Final = 80  # characters of a review's id: it may be of any length
MAX_ERROR: Final = 200


class Entry(NamedTuple):
    """An event, and the fields of its part of the `StatusDocument` except the date."""

    at_s: float  # monotonic, like all times here
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything recorded, at one moment; the newest comes first."""

    began_s: float
    model: ModelInfo | None
    standing: Standing | None
    periods: Sequence[Period]  # see History.periods
    batches: Sequence[Entry]  # those that the engine has finished
    dead_letters: Sequence[Entry]  # stored, like the reviews
    reviews: Sequence[Entry] | None  # None if they are not kept


class Recorder(Observer):
    """Written by the loop's thread, read by the HTTP threads. The lock is held only while a copy is made."""

    def __init__(self, now_s: float, *, keeps_reviews: bool) -> None:
        self._lock = Lock()
        self._began_s = now_s
        self._history = History(now_s)
        self._model: ModelInfo | None = None
        self._standing: Standing | None = None
        self._batches: deque[Entry] = deque(maxlen=LAST)
        self._dead_letters: deque[Entry] = deque(maxlen=LAST)
        self._reviews: deque[Entry] | None = deque(maxlen=LAST) if keeps_reviews else None

    def serving(self, model: ModelInfo) -> None:
        """See Observer."""
        with self._lock:
            self._model = model

    def computed(self, scored: ScoredBatch, *, is_current: Callable[[Work], bool], at: Moment) -> None:  # noqa: ARG002
        """See Observer."""
        batch = scored.batch
        seen = {
            "reviews": len(batch.rows),
            "tokens": batch.tokens,
            "padding_ratio": batch.padding_ratio or 0.0,
            "trigger": batch.trigger,
            "waited_s": scored.waited_s(at.now_s),
            "inference_s": scored.inference_s,
        }
        with self._lock:
            self._batches.appendleft(Entry(at.now_s, seen))

    def stored(self, outcomes: Sequence[Outcome], *, at: Moment) -> None:
        """See Observer. Counts all of them and keeps the newest."""
        dead_letters = [one for one in outcomes if one.dead_because is not None]
        results = [one for one in outcomes if one.verdict is not None]
        latencies = latencies_s(outcomes, at.epoch_s)
        with self._lock:
            self._history.add(at.now_s, scored=len(results), dead_letters=len(dead_letters), latencies_s=latencies)
            self._dead_letters.extendleft(Entry(at.now_s, _dead_letter(one)) for one in dead_letters[-LAST:])
            if self._reviews is not None:
                self._reviews.extendleft(Entry(at.now_s, _review(one)) for one in results[-LAST:])

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


def _dead_letter(outcome: Outcome) -> dict[str, object]:
    record = outcome.record
    where = record.partition._asdict() | {"offset": record.offset}
    return where | {"reason": outcome.dead_because, "error": _cut(outcome.error or "", MAX_ERROR)}


def _review(outcome: Outcome) -> dict[str, object]:
    verdict = outcome.verdict._asdict() if outcome.verdict else {}
    return {"review_id": _cut(outcome.review_id or "", MAX_ID), **verdict}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
