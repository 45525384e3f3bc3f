"""A second model scores a share of the traffic, to be compared with the live one. Its results are never published."""

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

WAITING: Final = 1  # batches that may wait for the shadow: it must not fall behind, nor keep finished records alive
_SPREAD: Final = 2_654_435_761  # Knuth's multiplicative hash: 2^32 / golden ratio
_WORD: Final = 2**32

Chosen = Sequence[tuple[Record, Score]]


class Comparisons(Protocol):
    """Counts what the shadow finds. Called on the shadow's thread, except `skipped`."""

    def compared(self, live: Sequence[float], shadow: Sequence[float]) -> None:
        """Take P(positive) of the same reviews by both models."""
        ...

    def failed(self, reviews: int) -> None:
        """Take the number of reviews that the shadow could not score."""
        ...

    def skipped(self, reviews: int) -> None:
        """Take the number of reviews that were not compared because the shadow is too slow or broken."""
        ...


class Shadow:
    """Compares nothing: no second model is set. Used by the loop's thread; nothing but `close` blocks."""

    def start(self) -> None:
        """Start, unless it has started. It warms up and is tested first."""

    def offer(self, records: Sequence[Record], scores: Sequence[Score]) -> None:
        """Compare some of these readable records, which the live model gave these scores."""

    def close(self, *, timeout_s: float) -> None:
        """End after what it has; leave a hanging thread behind after `timeout_s`."""


class ModelShadow(Shadow):
    """Compares another model with the live one, on a thread of its own. Failures are logged and end nothing else."""

    def __init__(self, predictor: Predictor, *, share: float, comparisons: Comparisons) -> None:
        """Compare this share of the reviews, from 0 to 1."""
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

    def _break(self, why: Exception) -> None:
        self._broken = True
        if not isinstance(why, ModelError):
            raise why  # a bug: Python logs it with its traceback
        log.error("the shadow model is broken and compares nothing more: %s", why)

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
    """Whether the review at this offset belongs to the share. A replay chooses the same reviews."""
    return offset * _SPREAD % _WORD < share * _WORD
