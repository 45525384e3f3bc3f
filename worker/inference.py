"""The thread that computes, so that a long inference never keeps the consumer from polling.

At most one batch is computed and one lies ready: the engine is never idle while work waits, nothing piles up.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Generic, Protocol, TypeVar

from model.predictor import Predictor, TokenizedText
from model.self_test import self_test
from worker.batcher import Batch, Waiting
from worker.failures import Poison, Score, score_or_isolate

CAPACITY: Final = 2  # one being computed, one ready


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

    def waited_s(self, now_s: float) -> float:
        """How long its oldest review waited until the engine took it, if that has finished just now."""
        return max(0.0, now_s - self.inference_s - self.batch.rows[0].arrived_s)


class Engine(Protocol[W]):
    """Computes batches beside the loop, in the order given. All methods are for one thread: the loop's."""

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
        """Return the next scored batch, waiting for it up to `timeout_s`.

        Raises what ended the computing (EngineBroken, or a bug): no later call can succeed.
        """
        ...

    def close(self, *, timeout_s: float) -> None:
        """End after what it has; a hung engine is left behind."""
        ...


class InferenceThread(Engine[W]):
    """See Engine: owns the predictor, which it runs in a thread of its own from `start` on."""

    def __init__(self, predictor: Predictor, *, isolation_timeout_s: float) -> None:
        self._predictor = predictor
        self._isolation_timeout_s = isolation_timeout_s
        self._inbox: SimpleQueue[Batch[W] | None] = SimpleQueue()
        self._outbox: SimpleQueue[ScoredBatch[W] | Exception] = SimpleQueue()
        self._warm = threading.Event()
        self._inside = 0
        # A daemon: a hung engine must not keep a process alive that was told to exit.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    @property
    def predictor(self) -> Predictor:
        """See Engine."""
        return self._predictor

    @property
    def warm(self) -> bool:
        """See Engine."""
        return self._warm.is_set()

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
        if not self._thread.is_alive():
            self._thread.start()

    def submit(self, batch: Batch[W]) -> None:
        """See Engine."""
        self._inside += 1
        self._inbox.put(batch)

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
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._predictor.warm_up()
            self_test(self._predictor)
            self._warm.set()
            while (batch := self._inbox.get()) is not None:
                began_s = time.perf_counter()
                results = score_or_isolate(
                    self._predictor.predict,
                    [row.text for row in batch.rows],
                    out_of_time=_timer(self._isolation_timeout_s),
                )
                self._outbox.put(ScoredBatch(batch, results, time.perf_counter() - began_s))
        except Exception as exc:  # noqa: BLE001 - carried to the loop's thread, which raises it
            self._outbox.put(exc)


def _timer(limit_s: float) -> Callable[[], bool]:
    """Return what tells whether `limit_s` are over since it was asked first."""
    deadline_s: float | None = None

    def over() -> bool:
        nonlocal deadline_s
        now_s = time.monotonic()
        deadline_s = now_s + limit_s if deadline_s is None else deadline_s
        return now_s > deadline_s

    return over
