"""A second model that scores a share of the traffic beside the live one, to be compared with it and never published."""

import logging
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Final, Protocol

from model.errors import BatchFailed, ModelError
from model.predictor import Predictor, score_texts
from model.self_test import self_test
from worker.broker import Record
from worker.failures import Score
from worker.messages import decode_review

log = logging.getLogger(__name__)

WAITING: Final = 1  # batches that may wait for the shadow: it must not fall behind, nor hold what the worker has done
_SPREAD: Final = 2_654_435_761  # Knuth's multiplicative hash: 2^32 / golden ratio
_WORD: Final = 2**32


class Comparisons(Protocol):
    """Who counts what the shadow finds. Called on its thread, but for `skipped`."""

    def compared(self, live: Sequence[float], shadow: Sequence[float]) -> None:
        """Take P(positive) of the same reviews by both models."""
        ...

    def failed(self, reviews: int) -> None:
        """Take the number of reviews that the shadow could not score."""
        ...

    def skipped(self, reviews: int) -> None:
        """Take the number of reviews that were not looked at, the shadow being too slow or broken."""
        ...


class Shadow:
    """Runs `predictor` in a thread of its own from `start` on. What goes wrong in it is told, and ends nothing else."""

    def __init__(self, predictor: Predictor, *, share: float, comparisons: Comparisons) -> None:
        """`share` of the reviews are looked at, from 0 to 1."""
        self._predictor = predictor
        self._share = share
        self._comparisons = comparisons
        self._broken = False
        self._inbox: SimpleQueue[list[tuple[Record, Score]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun; it warms up first."""
        if not self._thread.is_alive():
            self._thread.start()

    def offer(self, records: Sequence[Record], scores: Sequence[Score]) -> None:
        """Look at some of these readable reviews, scored by the live model. For the loop's thread; never blocks."""
        chosen = [
            (record, score)
            for record, score in zip(records, scores, strict=True)
            if is_chosen(record.offset, self._share)
        ]
        if not chosen:
            return
        if self._broken or self._inbox.qsize() >= WAITING:
            self._comparisons.skipped(len(chosen))
        else:
            self._inbox.put(chosen)

    def close(self, *, timeout_s: float) -> None:
        """End after what it has; one that hangs is left behind."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._predictor.warm_up()
            self_test(self._predictor)
            while (chosen := self._inbox.get()) is not None:
                self._compare(chosen)
        except ModelError as exc:
            log.error("the shadow model is broken and compares nothing more: %s", exc)  # noqa: TRY400
        finally:
            self._broken = True  # also by what nobody foresaw, which Python tells

    def _compare(self, chosen: Sequence[tuple[Record, Score]]) -> None:
        texts = [decode_review(record.value or b"").text for record, _ in chosen]
        try:
            found = score_texts(self._predictor, texts).probabilities
        except BatchFailed as exc:
            log.warning("the shadow model could not score %d reviews: %s", len(chosen), exc)
            self._comparisons.failed(len(chosen))
        else:
            self._comparisons.compared([score.probability for _, score in chosen], found.tolist())


def is_chosen(offset: int, share: float) -> bool:
    """Whether a review is one of the share that is looked at: by its offset, so that a replay chooses the same."""
    return offset * _SPREAD % _WORD < share * _WORD
