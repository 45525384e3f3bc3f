"""Engines without a thread, for tests that decide when a batch is done."""

from collections import deque
from collections.abc import Callable

from model.predictor import Predictor
from worker.scoring.batcher import Batch
from worker.scoring.inference import CAPACITY, Engine, ScoredBatch, W
from worker.scoring.isolation import score_or_isolate
from worker.scoring.reloading import Reloader


class FakeEngine(Engine[W]):
    """See worker.scoring.inference.Engine. Warm from the start; a batch is computed when `finish` is called."""

    def __init__(self, predictor: Predictor) -> None:
        self.automatic = False  # while set, a batch is computed when its result is asked for
        self._predictor = predictor
        self._waiting: deque[Batch[W]] = deque()
        self._done: deque[ScoredBatch[W]] = deque()

    @property
    def predictor(self) -> Predictor:
        """See Engine."""
        return self._predictor

    @property
    def warm(self) -> bool:
        """See Engine."""
        return True

    @property
    def idle(self) -> bool:
        """See Engine."""
        return not self._waiting and not self._done

    @property
    def has_room(self) -> bool:
        """See Engine."""
        return len(self._waiting) + len(self._done) < CAPACITY

    def start(self) -> None:
        """See Engine."""

    def submit(self, batch: Batch[W]) -> None:
        """See Engine."""
        assert self.has_room, "a batch too many"
        self._waiting.append(batch)

    def finish(self) -> None:
        """Compute the oldest batch, if there is one."""
        if self._waiting:
            batch = self._waiting.popleft()
            results = score_or_isolate(self._predictor.predict, [row.text for row in batch.rows])
            self._done.append(ScoredBatch(batch, results, inference_s=0.0, engine_s=0.0))

    def collect(self, *, timeout_s: float) -> ScoredBatch[W] | None:  # noqa: ARG002  # nothing to wait for
        """See Engine."""
        if self.automatic:
            self.finish()
        return self._done.popleft() if self._done else None

    def close(self, *, timeout_s: float) -> None:
        """See Engine."""


class FakeReloader(Reloader[W]):
    """See worker.scoring.reloading.Reloader. Has another engine as soon as it is asked for one."""

    def __init__(self, open_engine: Callable[[], FakeEngine[W]]) -> None:
        super().__init__(open_engine)
        self._open_now = open_engine

    def take(self) -> Engine[W] | None:
        """See Reloader."""
        requested, self._requested = self._requested, False
        return self._open_now() if requested else None
