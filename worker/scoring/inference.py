"""The threads that compute, so that a long inference never keeps the consumer from polling.

At most two batches are there: the engine is never idle while work waits, nothing piles up. An engine that takes two at
once computes both, so that no core waits for the others at the end of a batch; else one lies ready.
"""

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Generic, Protocol, TypeVar

from model.predictor import Predictor, TokenizedText
from worker.scoring.batcher import Batch, Waiting
from worker.scoring.isolation import Poison, score_or_isolate
from worker.scoring.threads import PredictorThreads
from worker.wire.scored import Score

CAPACITY: Final = 2  # batches between `submit` and `collect`


class Scorable(Waiting, Protocol):
    """What the engine has to know of a review."""

    @property
    def text(self) -> TokenizedText:
        """The review as the network reads it."""
        ...


W = TypeVar("W", bound=Scorable)


@dataclass(frozen=True, slots=True)
class ScoredBatch(Generic[W]):
    """A batch and what became of each row."""

    batch: Batch[W]
    results: list[Score | Poison]
    inference_s: float
    engine_s: float  # of it, what no batch that ended before has been charged for: the sum is the engine's time
    in_one_call: bool = True  # False: in parts, after it failed as a whole

    def waited_s(self, now_s: float) -> float:
        """How long its oldest review waited until the engine took it, if that has finished just now."""
        return max(0.0, now_s - self.inference_s - self.batch.rows[0].arrived_s)


class Engine(Protocol[W]):
    """Computes batches beside the loop. All methods are for one thread: the loop's."""

    @property
    def predictor(self) -> Predictor:
        """What it runs: for its `info`, and to tokenize beside it."""
        ...

    @property
    def warm(self) -> bool:
        """Whether the engine has run once and takes work at full speed."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nothing is computed, ready, or waiting to be collected."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether `submit` may be called."""
        ...

    def start(self) -> None:
        """Begin, unless it has begun; it warms up first."""
        ...

    def submit(self, batch: Batch[W]) -> None:
        """Hand over a batch; never blocks. Only while `has_room`."""
        ...

    def collect(self, *, timeout_s: float) -> ScoredBatch[W] | None:
        """Return the batch whose scoring ended first, waiting for it up to `timeout_s`; not in the order of `submit`.

        Raises what ended the computing (EngineBroken, or a bug): no later call can succeed.
        """
        ...

    def close(self, *, timeout_s: float) -> None:
        """End after what it has; a hung engine is left behind."""
        ...


class InferenceThreads(Engine[W]):
    """See Engine: owns the predictor, which it runs in threads of its own from `start` on."""

    def __init__(self, predictor: Predictor, *, isolation_timeout_s: float) -> None:
        self._isolation_timeout_s = isolation_timeout_s
        self._outbox: SimpleQueue[ScoredBatch[W] | Exception] = SimpleQueue()
        self._inside = 0
        self._ending = threading.Lock()
        self._ended_s = 0.0  # when the last batch did, on the clock of perf_counter
        self._threads = PredictorThreads[Batch[W]](
            "inference",
            predictor,
            count=min(CAPACITY, predictor.info.batches_at_once),
            handle=self._compute,
            ended_by=self._outbox.put,
        )

    @property
    def predictor(self) -> Predictor:
        """See Engine."""
        return self._threads.predictor

    @property
    def warm(self) -> bool:
        """See Engine."""
        return self._threads.warm

    @property
    def idle(self) -> bool:
        """See Engine."""
        return self._inside == 0

    @property
    def has_room(self) -> bool:
        """See Engine."""
        return self._inside < CAPACITY

    def start(self) -> None:
        """See Engine."""
        self._threads.start()

    def submit(self, batch: Batch[W]) -> None:
        """See Engine."""
        self._inside += 1
        self._threads.put(batch)

    def collect(self, *, timeout_s: float) -> ScoredBatch[W] | None:
        """See Engine."""
        try:
            outcome = self._outbox.get(timeout=timeout_s) if timeout_s > 0 else self._outbox.get_nowait()
        except Empty:
            return None
        if isinstance(outcome, Exception):
            raise outcome
        self._inside -= 1
        return outcome

    def close(self, *, timeout_s: float) -> None:
        """See Engine."""
        self._threads.close(timeout_s=timeout_s)

    def _compute(self, batch: Batch[W]) -> None:
        began_s = time.perf_counter()
        search = _Search(self._isolation_timeout_s)
        results = score_or_isolate(
            self.predictor.predict, [row.text for row in batch.rows], out_of_time=search.is_too_long
        )
        with self._ending:
            ended_s = time.perf_counter()
            engine_s = ended_s - max(began_s, self._ended_s)
            self._ended_s = ended_s
            self._outbox.put(ScoredBatch(batch, results, ended_s - began_s, engine_s, in_one_call=not search.begun))


class _Search:
    """The search for the reviews that a batch fails on, which may take `limit_s`."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._deadline_s: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the batch has failed."""
        return self._deadline_s is not None

    def is_too_long(self) -> bool:
        """Whether the limit is over since this was asked first."""
        now_s = time.monotonic()
        if self._deadline_s is None:
            self._deadline_s = now_s + self._limit_s
        return now_s > self._deadline_s
