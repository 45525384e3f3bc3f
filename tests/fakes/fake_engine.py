"""Engines without a thread, for tests that decide when a batch is done."""

from collections.abc import Callable
from math import inf

from model.predictor import Predictor
from worker.scoring.batcher import Batch
from worker.scoring.inference import BackgroundEngine, ScoredBatch
from worker.scoring.isolation import score_or_isolate
from worker.scoring.reloading import Reloader


class FakeEngine(BackgroundEngine):
    """Computes a batch when `finish` is called. Warm from the start, and without threads."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor, isolation_timeout_s=inf)
        self.automatic = False  # while True, `collect` computes a batch
        self._warm.set()

    def start(self) -> None:
        """Start no thread."""

    def close(self, *, timeout_s: float) -> None:
        """End no thread."""

    def submit(self, batch: Batch) -> None:
        """See BackgroundEngine."""
        assert self.has_room, "a batch too many"
        super().submit(batch)

    def finish(self) -> None:
        """Compute the oldest batch, if there is one. It takes no time."""
        if self.waiting and (batch := self._inbox.get()):
            results = score_or_isolate(self.predictor.predict, [row.text for row in batch.rows])
            self._outbox.put(ScoredBatch(batch, results, inference_s=0.0, engine_s=0.0))

    def collect(self, *, timeout_s: float) -> ScoredBatch | None:  # noqa: ARG002  # nothing to wait for
        """See BackgroundEngine."""
        if self.automatic:
            self.finish()
        return super().collect(timeout_s=0)


class FakeReloader(Reloader):
    """Has another engine as soon as one is requested. See worker.scoring.reloading."""

    def __init__(self, open_engine: Callable[[], FakeEngine]) -> None:
        super().__init__(open_engine)
        self._open_now = open_engine

    def take(self) -> BackgroundEngine | None:
        """See Reloader."""
        requested, self._requested = self._requested, False
        return self._open_now() if requested else None
