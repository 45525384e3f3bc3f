"""`python -m tests.bench.simulated`: what a latency target does, on a clock that nothing else disturbs.

The real batcher and the real pricing, in virtual time, with an engine whose batch takes a fixed time and one for each
token: with the padding, or, as of an engine that cuts a batch into groups of like length, without. Reviews with the
lengths of the demo's come independently, or many at once. The same command gives the same figures everywhere.
"""

import random
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from typing import Final

from deploy.demo.sample import SAMPLE
from tests.bench.texts import load_texts
from tests.support.works import work
from worker.commands.bench.figures import percentile
from worker.scoring.batcher import Batch, Batcher
from worker.scoring.inference import CAPACITY
from worker.scoring.pricing import Prices, Pricing
from worker.scoring.work import Work
from worker.settings.schema import Settings

PRICES: Final = Prices(batch_s=0.0045, token_s=2.2e-6)  # about those of the model that ships on 2 cores
NOISE: Final = 0.1  # the mean part by which a batch takes longer
LIMIT_TOKENS: Final = 400  # of the model
REVIEWS: Final = 12_000
SAMPLE_REVIEWS: Final = 2000
SEED: Final = 7
LOADS: Final = (0.3, 0.5, 0.7, 0.8, 0.9)  # parts of what the worker can do at most
TARGETS_S: Final = (None, 0.1, 0.25, 0.5)
AT_ONCE: Final = (1, 50)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    reviews_per_s: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, latencies_s: list[float], took_s: float) -> "Outcome":
        """Latencies from arrival to the end of the batch."""
        return cls(len(latencies_s) / took_s, 1000 * percentile(latencies_s, 50), 1000 * percentile(latencies_s, 99))


class Simulation:
    """One worker with the default settings, from the first review to the last."""

    def __init__(self, rows: list[Work], *, target_s: float | None, pays_padding: bool) -> None:
        settings = Settings()
        self._holds_at_most = settings.max_inflight_records
        self._batcher = Batcher(
            max_reviews=settings.max_batch_reviews, linger_s=0, max_wait_s=settings.max_wait_ms / 1000
        )
        self._pricing = Pricing(max_tokens=settings.max_batch_tokens, target_s=target_s)
        self._pays_padding = pays_padding
        self._arriving = deque(rows)
        self._held = 0
        self._engine: deque[Batch] = deque()  # the first is being computed
        self._noise = random.Random(SEED)
        self._now_s = self._began_s = 0.0
        self._ends_s = inf  # what is being computed

    def run(self) -> Outcome:
        """Compute all of them."""
        latencies_s: list[float] = []
        while self._arriving or self._held:
            while self._arrives_s <= self._now_s:
                self._batcher.add_all([self._arriving.popleft()])
                self._held += 1
            self._dispatch()
            self._now_s = min(max(self._now_s, self._arrives_s), self._ends_s)
            if self._now_s == self._ends_s:
                latencies_s += (self._now_s - row.arrived_s for row in self._finish().rows)
        return Outcome.of(latencies_s, self._now_s)

    @property
    def _arrives_s(self) -> float:
        """When the next review comes; never while the worker holds enough."""
        return self._arriving[0].arrived_s if self._arriving and self._held < self._holds_at_most else inf

    def _dispatch(self) -> None:
        while len(self._engine) < CAPACITY:
            budget = self._pricing.choose(self._batcher.tokens)
            batch = self._batcher.take(self._now_s, max_tokens=budget.tokens, engine_idle=not self._engine)
            if batch is None:
                return
            self._engine.append(batch)
            if len(self._engine) == 1:
                self._begin()

    def _begin(self) -> None:
        tokens = self._engine[0].padded_tokens if self._pays_padding else self._engine[0].tokens
        self._began_s = self._now_s
        self._ends_s = self._now_s + PRICES.time_s(tokens) * (1 + NOISE * self._noise.expovariate(1))

    def _finish(self) -> Batch:
        batch = self._engine.popleft()
        self._held -= len(batch.rows)
        self._pricing.observe(batch.padded_tokens, self._now_s - self._began_s)
        self._ends_s = inf
        if self._engine:
            self._begin()
        return batch


def main() -> int:
    """Print a table for each kind of engine and of arrivals."""
    lengths = [min(len(text.split()), LIMIT_TOKENS) for text in load_texts(SAMPLE, SAMPLE_REVIEWS)]
    for pays_padding, at_once in product((False, True), AT_ONCE):
        sys.stdout.write(table(lengths, pays_padding=pays_padding, at_once=at_once))
    return 0


def table(lengths: Sequence[int], *, pays_padding: bool, at_once: int) -> str:
    """Median and p99 at each load, without a target and with each."""

    def run(per_s: float, target_s: float | None) -> Outcome:
        rows = arrivals(lengths, per_s, at_once)
        return Simulation(rows, target_s=target_s, pays_padding=pays_padding).run()

    most_per_s = run(inf, None).reviews_per_s
    padding = "with" if pays_padding else "without"
    lines = [f"An engine that takes its time for tokens {padding} padding; reviews that come {at_once} at once."]
    lines.append("target       " + "".join(f"{'none' if one is None else f'{one:g} s':>15}" for one in TARGETS_S))
    lines.append("reviews/s    " + "".join(f"{run(inf, one).reviews_per_s:15,.0f}" for one in TARGETS_S))
    for load in LOADS:
        outcomes = [run(load * most_per_s, target_s) for target_s in TARGETS_S]
        lines.append(f"{load:4.0%} p50 p99 " + "".join(f"{one.p50_ms:8.0f} {one.p99_ms:6.0f}" for one in outcomes))
    return "\n".join(lines) + "\n\n"


def arrivals(lengths: Sequence[int], per_s: float, at_once: int) -> list[Work]:
    """Reviews that come so many at once, independently of each other; at an infinite rate all are there."""
    chance = random.Random(SEED)
    rows: list[Work] = []
    now_s = 0.0
    while len(rows) < REVIEWS:
        now_s += chance.expovariate(1) * at_once / per_s
        rows += (work(chance.choice(lengths), now_s) for _ in range(at_once))
    return rows


if __name__ == "__main__":
    sys.exit(main())
