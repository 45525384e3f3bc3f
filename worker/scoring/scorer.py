"""From waiting reviews to scores: the batcher, the engine, the result cache, and reloading the model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from model.predictor import ModelInfo, TokenizedText
from worker.scoring.batcher import Batch, Batcher
from worker.scoring.cache import Cache, Lookup
from worker.scoring.inference import BackgroundEngine, ScoredBatch
from worker.scoring.isolation import Poison
from worker.scoring.pricing import Pricing
from worker.scoring.reloading import Reloader
from worker.scoring.shadow import Shadow
from worker.scoring.work import Work
from worker.wire.review import decode_review
from worker.wire.scored import Score

CLOSE_TIMEOUT_S: Final = 5.0  # for an engine whose model was replaced; it is idle


class Scorer:
    """Joins the parts that score. Used only by the loop's thread; the engine computes on its own threads."""

    def __init__(
        self,
        engine: BackgroundEngine,
        *,
        reloader: Reloader,
        batcher: Batcher,
        pricing: Pricing,
        cache: Cache,
        shadow: Shadow,
    ) -> None:
        self._engine = engine
        self._next_engine: BackgroundEngine | None = None  # replaces the current one when that is idle
        self._reloader = reloader
        self._batcher = batcher
        self.pricing = pricing
        self._cache = cache
        self._shadow = shadow

    @property
    def model(self) -> ModelInfo:
        """The model that scores now."""
        return self._engine.predictor.info

    @property
    def warm(self) -> bool:
        """Whether the engine has warmed up."""
        return self._engine.warm

    @property
    def engine_idle(self) -> bool:
        """Whether the engine has no batch, neither to compute nor to collect."""
        return self._engine.idle

    @property
    def working(self) -> bool:
        """Whether reviews wait for the engine or are in it."""
        return bool(self._batcher) or not self._engine.idle

    def start(self) -> None:
        """Start the engine and the shadow, unless they are started. They warm up on their own threads."""
        self._engine.start()
        self._shadow.start()

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokenize texts for the current model."""
        return self._engine.predictor.tokenize(texts)

    def add(self, works: Sequence[Work]) -> Lookup:
        """Queue reviews for the engine, except those whose results the cache knows: the lookup has these."""
        lookup = self._cache.ask(works)
        self._batcher.add_all(lookup.to_compute)
        return lookup

    def lingers_for(self, now_s: float) -> float | None:
        """Return the seconds until an idle engine gets a batch; None if nothing waits."""
        return self._batcher.lingers_for(now_s)

    def dispatch(self, now_s: float, *, draining: bool = False) -> Iterator[Batch]:
        """Submit and yield the batches that are due. The engine may hold two."""
        while self._next_engine is None and self._engine.has_room:
            batch = self._batcher.take(
                now_s,
                max_tokens=self.pricing.choose(self._batcher.tokens).tokens,
                engine_idle=self._engine.idle,
                draining=draining,
            )
            if batch is None:
                return
            yield batch
            self._engine.submit(batch)

    def collect(self, *, timeout_s: float) -> Iterator[ScoredBatch]:
        """Yield the finished batches. Wait up to `timeout_s` for the first.

        Raises EngineBroken, or the bug that ended a thread of the engine.
        """
        scored = self._engine.collect(timeout_s=timeout_s)
        while scored is not None:
            if scored.in_one_call:
                self.pricing.observe(scored.batch.padded_tokens, scored.engine_s)
            yield scored
            scored = self._engine.collect(timeout_s=0)

    def answers(self, scored: ScoredBatch) -> Iterable[tuple[Work, Score | Poison]]:
        """Return the result of each row, and of the reviews that joined it."""
        return self._cache.answer(zip(scored.batch.rows, scored.results, strict=True))

    def compare(self, works: Sequence[Work], scores: Sequence[Score]) -> None:
        """Let the shadow model score a share of these too."""
        self._shadow.offer([work.record for work in works], scores)

    def discard_stale(self, is_current: Callable[[Work], bool]) -> list[Work]:
        """Remove and return the waiting reviews that are not current. Keep one if a review that joined it is."""

        def is_stale(work: Work) -> bool:
            return not any(map(is_current, (work, *self._cache.joined_to(work))))

        stale = self._batcher.discard(is_stale)
        return [one for work in stale for one in (work, *self._cache.withdraw(work))]

    def change_model(self) -> ModelInfo | None:
        """Switch to a requested model once it is warm and the current one is idle. Return it then, else None.

        Raises ReloadFailed if it cannot be loaded; the current one stays.
        """
        if self._next_engine is None:
            self._next_engine = self._reloader.take()
        if self._next_engine is None or not self._engine.idle:
            return None
        self._engine.close(timeout_s=CLOSE_TIMEOUT_S)
        self._engine, self._next_engine = self._next_engine, None
        self.pricing.forget()
        self._tokenize_waiting_again()
        return self.model

    def keep_model(self) -> None:
        """Drop a new model that does not score yet."""
        self._next_engine = None

    def close(self, left_s: Callable[[], float]) -> None:
        """Finish submitted batches and end the threads. `left_s` returns how many seconds are left for that."""
        self._engine.close(timeout_s=left_s())
        self._shadow.close(timeout_s=left_s())

    def _tokenize_waiting_again(self) -> None:
        """Tokenize the waiting reviews with the vocabulary of the new model."""
        waiting = sorted(self._batcher.discard(lambda _: True) + self._cache.clear(), key=lambda work: work.arrived_s)
        texts = self.tokenize([decode_review(work.record.value or b"").text for work in waiting])
        self.add([work._replace(text=text, tokens=len(text)) for work, text in zip(waiting, texts, strict=True)])
