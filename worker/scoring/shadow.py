"""A second model scores a share of the reviews, to compare it with the live one. Its results are not published."""

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from model.errors import BatchFailed, ModelError
from model.predictor import Predictor, score_texts
from worker.broker.contract import Record
from worker.scoring.threads import PredictorThreads
from worker.wire.review import decode_review
from worker.wire.scored import Score

log = logging.getLogger(__name__)

WAITING: Final = 1  # batches that may wait for the shadow: more would fall behind, and keep finished records in memory
_SPREAD: Final = 2_654_435_761  # Knuth's multiplicative hash: 2^32 / golden ratio
_WORD: Final = 2**32

Chosen = Sequence[tuple[Record, Score]]


class Comparisons(Protocol):
    """Counts the comparisons. Called on the shadow's thread, except `skipped`, which the loop's thread calls."""

    def compared(self, live: Sequence[float], shadow: Sequence[float]) -> None:
        """Count reviews that both models scored, given P(positive) by each model."""

    def failed(self, reviews: int) -> None:
        """Count reviews that the shadow could not score."""

    def skipped(self, reviews: int) -> None:
        """Count reviews that were not compared because the shadow is too slow or broken."""


class Shadow:
    """Compares nothing: no second model is set. Used by the loop's thread; only `close` blocks."""

    def start(self) -> None:
        """Start, unless it is started. It warms up and is tested first."""

    def offer(self, records: Sequence[Record], scores: Sequence[Score]) -> None:
        """Compare a share of these records; `scores` are those of the live model."""

    def close(self, *, timeout_s: float) -> None:
        """Finish the waiting batches and end. Leave the thread behind if it hangs longer than `timeout_s`."""


class ModelShadow(Shadow):
    """Compares another model with the live one, on its own thread. Its failures do not affect the worker."""

    def __init__(self, predictor: Predictor, *, share: float, comparisons: Comparisons) -> None:
        """Compare a `share` of the reviews, from 0 to 1."""
        self._share = share
        self._comparisons = comparisons
        self._broken = False
        self._threads = PredictorThreads[Chosen](
            "shadow", predictor, count=1, handle=self._compare, ended_by=self._break
        )

    def start(self) -> None:
        """See Shadow."""
        self._threads.start()

    def offer(self, records: Sequence[Record], scores: Sequence[Score]) -> None:
        """See Shadow."""
        chosen = [
            (record, score)
            for record, score in zip(records, scores, strict=True)
            if is_chosen(record.offset, self._share)
        ]
        if not chosen:
            return
        if self._broken or self._threads.waiting >= WAITING:
            self._comparisons.skipped(len(chosen))
        else:
            self._threads.put(chosen)

    def close(self, *, timeout_s: float) -> None:
        """See Shadow."""
        self._threads.close(timeout_s=timeout_s)

    def _break(self, error: Exception) -> None:
        self._broken = True
        if not isinstance(error, ModelError):
            raise error  # a bug: Python logs it with its traceback
        log.error("the shadow model is broken and compares no more reviews: %s", error)

    def _compare(self, chosen: Chosen) -> None:
        texts = [decode_review(record.value or b"").text for record, _ in chosen]
        try:
            found = score_texts(self._threads.predictor, texts).probabilities
        except BatchFailed as exc:
            log.warning("the shadow model could not score %d reviews: %s", len(chosen), exc)
            self._comparisons.failed(len(chosen))
        else:
            self._comparisons.compared([score.probability for _, score in chosen], found.tolist())


def is_chosen(offset: int, share: float) -> bool:
    """Return whether the review at this offset is in the share. A replay chooses the same reviews."""
    return offset * _SPREAD % _WORD < share * _WORD
