"""The threads that compute, so that the consumer keeps polling during a long inference.

The engine holds at most two batches, so that it is never idle while work waits, and work does not pile up. If it can
compute two at once, it does, so that no core is idle at the end of a batch. If not, the second batch waits.
"""

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from model.predictor import Predictor
from worker.scoring.batcher import Batch
from worker.scoring.isolation import Poison, score_or_isolate
from worker.scoring.threads import PredictorThreads
from worker.wire.scored import Score

CAPACITY: Final = 2  # batches between `submit` and `collect`


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """A batch and the result of each row."""

    batch: Batch
    results: list[Score | Poison]
    inference_s: float  # from its start to its end
    engine_s: float  # the part of it after the previous batch ended: the sum over batches is the engine's busy time
    in_one_call: bool = True  # False: computed in parts, after the whole batch failed

    def waited_s(self, now_s: float) -> float:
        """Return how long the oldest review waited for the engine, if the batch finished at `now_s`."""
        return max(0.0, now_s - self.inference_s - self.batch.rows[0].arrived_s)


class BackgroundEngine(PredictorThreads[Batch]):
    """Computes batches on its own threads. Only the loop's thread may call its methods."""

    def __init__(self, predictor: Predictor, *, isolation_timeout_s: float) -> None:
        self._isolation_timeout_s = isolation_timeout_s
        self._outbox: SimpleQueue[ScoredBatch | Exception] = SimpleQueue()
        self._inside = 0  # batches submitted and not collected
        self._ending = threading.Lock()
        self._ended_s = 0.0  # when the last batch ended, by perf_counter
        super().__init__(
            "inference",
            predictor,
            count=min(CAPACITY, predictor.info.batches_at_once),
            handle=self._compute,
            ended_by=self._outbox.put,
        )

    @property
    def idle(self) -> bool:
        """Whether it has no batch, neither to compute nor to collect."""
        return self._inside == 0

    @property
    def has_room(self) -> bool:
        """Whether `submit` may be called."""
        return self._inside < CAPACITY

    def submit(self, batch: Batch) -> None:
        """Add a batch; never blocks. Call it only while `has_room`."""
        self._inside += 1
        self.put(batch)

    def collect(self, *, timeout_s: float) -> ScoredBatch | None:
        """Return the batch that finished first, or None if none does within `timeout_s`.

        Batches may finish in another order than that of `submit`. Raises the error that ended a thread (EngineBroken,
        or a bug); no later call can succeed.
        """
        try:
            outcome = self._outbox.get(timeout=timeout_s) if timeout_s > 0 else self._outbox.get_nowait()
        except Empty:
            return None
        if isinstance(outcome, Exception):
            raise outcome
        self._inside -= 1
        return outcome

    def _compute(self, batch: Batch) -> None:
        began_s = time.perf_counter()
        search = _Search(self._isolation_timeout_s)
        results = score_or_isolate(
            self.predictor.predict, [row.text for row in batch.rows], out_of_time=search.out_of_time
        )
        with self._ending:
            ended_s = time.perf_counter()
            engine_s = ended_s - max(began_s, self._ended_s)
            self._ended_s = ended_s
            self._outbox.put(ScoredBatch(batch, results, ended_s - began_s, engine_s, in_one_call=not search.begun))


class _Search:
    """The time limit of the search for the reviews that make a batch fail."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._deadline_s: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the batch has failed, so that the search began."""
        return self._deadline_s is not None

    def out_of_time(self) -> bool:
        """Return whether more than `limit_s` has passed since the first call, which begins the search."""
        now_s = time.monotonic()
        if self._deadline_s is None:
            self._deadline_s = now_s + self._limit_s
        return now_s > self._deadline_s
