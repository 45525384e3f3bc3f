"""Engines without a thread, for tests that decide when a batch is done."""

from collections import deque
from collections.abc import Callable

from model.predictor import Predictor
from worker.scoring.batcher import Batch
from worker.scoring.inference import CAPACITY, BackgroundEngine, ScoredBatch, W
from worker.scoring.isolation import score_or_isolate
from worker.scoring.reloading import Reloader


class FakeEngine(BackgroundEngine[W]):
    """Computes a batch when `finish` is called. Warm from the start. See worker.scoring.inference."""

    def __init__(self, predictor: Predictor) -> None:
        self.automatic = False  # while True, `collect` computes a batch
        self._predictor = predictor
        self._waiting: deque[Batch[W]] = deque()
        self._done: deque[ScoredBatch[W]] = deque()

    @property
    def predictor(self) -> Predictor:
        """See BackgroundEngine."""
        return self._predictor

    @property
    def warm(self) -> bool:
        """See BackgroundEngine."""
        return True

    @property
    def idle(self) -> bool:
        """See BackgroundEngine."""
        return not self._waiting and not self._done

    @property
    def has_room(self) -> bool:
        """See BackgroundEngine."""
        return len(self._waiting) + len(self._done) < CAPACITY

    def start(self) -> None:
        """See BackgroundEngine."""

    def submit(self, batch: Batch[W]) -> None:
        """See BackgroundEngine."""
        assert self.has_room, "a batch too many"
        self._waiting.append(batch)

    def finish(self) -> None:
        """Compute the oldest batch, if there is one."""
        if self._waiting:
            batch = self._waiting.popleft()
            results = score_or_isolate(self._predictor.predict, [row.text for row in batch.rows])
            self._done.append(ScoredBatch(batch, results, inference_s=0.0, engine_s=0.0))

    def collect(self, *, timeout_s: float) -> ScoredBatch[W] | None:  # noqa: ARG002  # nothing to wait for
        """See BackgroundEngine."""
        if self.automatic:
            self.finish()
        return self._done.popleft() if self._done else None

    def close(self, *, timeout_s: float) -> None:
        """See BackgroundEngine."""


class FakeReloader(Reloader[W]):
    """Has another engine as soon as one is requested. See worker.scoring.reloading."""

    def __init__(self, open_engine: Callable[[], FakeEngine[W]]) -> None:
        super().__init__(open_engine)
        self._open_now = open_engine

    def take(self) -> BackgroundEngine[W] | None:
        """See Reloader."""
        requested, self._requested = self._requested, False
        return self._open_now() if requested else None
