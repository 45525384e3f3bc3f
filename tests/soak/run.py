"""Hours in the life of three workers: two that stay, one that comes and goes, under a load that never rests."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tests.soak.gauges import Sample, sample
from tests.soak.load import rate_at
from tests.support.kafka_io import Message
from tests.support.stage import Stage
from tests.support.worker_process import WorkerProcess

STAY = ("worker-a", "worker-b")
SAMPLE_EVERY_S = 1.0
CACHE_BYTES = 2**20  # less than the results of all reviews that are sent: it is full, and what it keeps changes
CATCH_UP_LIMIT_S = 300.0


class Progress(NamedTuple):
    """How far the traffic is at a moment."""

    at_s: float
    sent: int
    answered: int


@dataclass
class Soak:
    """What was seen."""

    samples: Mapping[str, list[Sample]] = field(default_factory=lambda: {name: [] for name in STAY})
    progress: list[Progress] = field(default_factory=list)
    changes_s: list[float] = field(default_factory=list)
    faults: Sequence[str] = ()


def everything_on(model: Path, traces_endpoint: str) -> dict[str, object]:
    """Settings that turn on all that a worker can do beside scoring."""
    return {
        "model": model,
        "shadow_model": model,
        "cache_bytes": CACHE_BYTES,
        "traces_endpoint": traces_endpoint,
    }


def soak(
    stage: Stage,
    messages: Iterator[Message],
    *,
    duration_s: float,
    change_every_s: float,
    peak_per_s: float,
    tell: Callable[[Soak], None] = lambda _: None,
) -> Soak:
    """Load the stage, sample those who stay every second, change the group in turn; then let all drain.

    Fails when a worker ends, or does not take part.
    """
    seen = Soak()
    stay = {name: stage.start().until_ready() for name in STAY}
    gone: list[WorkerProcess] = []
    guest: WorkerProcess | None = None
    owed = 0.0
    began_s = time.monotonic()
    before_s = 0.0
    while (at_s := time.monotonic() - began_s) < duration_s:
        owed += rate_at(at_s, peak_per_s=peak_per_s) * (at_s - before_s)
        before_s = at_s
        stage.traffic.send(islice(messages, max(0, int(owed) - len(stage.traffic.inputs))))
        answered = stage.traffic.answered()
        if at_s >= (len(seen.changes_s) + 1) * change_every_s:
            seen.changes_s.append(at_s)
            if guest is None:
                guest = stage.start()
            else:
                guest.until_ready().terminate()
                gone.append(guest)
                guest = None
        if at_s >= len(seen.progress) * SAMPLE_EVERY_S:
            for name, worker in stay.items():
                seen.samples[name].append(sample(worker, at_s))
            seen.progress.append(Progress(at_s, len(stage.traffic.inputs), answered))
            tell(seen)
    stage.traffic.until_answered(limit_s=CATCH_UP_LIMIT_S)
    for worker in filter(None, (*stay.values(), guest)):
        worker.until_ready().terminate()
        gone.append(worker)
    assert {worker.exit_status() for worker in gone} == {0}
    seen.faults = stage.faults()
    return seen
