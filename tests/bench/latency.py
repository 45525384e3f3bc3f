"""Latency against load: reviews arrive by a schedule, and each latency counts from the time at which it was due."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from kafka import KafkaProducer

from tests.bench.figures import LOADS, PERCENTILES, Figures, latency_name, rate_while_sent_per_s
from tests.bench.parts import START_LIMIT_S, Bench, has, limit_s, worker
from tests.bench.processes import Child
from tests.bench.schedule import arrivals_s
from tests.bench.subjects import Subject
from tests.bench.texts import load_texts
from tests.bench.topics import SEND_LIMIT_S, Topics, key_of, review
from worker.commands.bench.figures import percentile

WARM_UP_REVIEWS: Final = 128
LOAD_S: Final = 8.0  # length of each load
SEND_LINGER_MS: Final = 5
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent by a schedule."""

    first: int  # the number of its first review
    due_s: Sequence[float]  # of each review, from `began_s` on
    began_s: float  # monotonic
    lateness_s: Sequence[float]  # of each review

    @property
    def ended_s(self) -> float:
        """When the last review was sent, monotonic."""
        return self.began_s + self.due_s[-1] + self.lateness_s[-1]

    def waits_s(self, seen: Mapping[bytes, float]) -> list[float]:
        """From when each review was due until its result was read; `seen` has all of them."""
        return [seen[key_of(number)] - self.began_s - due for number, due in enumerate(self.due_s, start=self.first)]


def latency(bench: Bench, subject: Subject, figures: Figures) -> Figures:
    """One worker under one load after the other, the next when all results of the last are there.

    The first is what it does end to end: more than it can while sender and reader use its cores. What it does then is
    what the others are parts of.
    """
    incoming, output = bench.topics.create("raw"), bench.topics.create("scored")
    bench.topics.fill(incoming, load_texts(bench.data, WARM_UP_REVIEWS))
    with bench.topics.arrivals(output) as seen, worker(bench.topics, subject, incoming, output) as child:
        child.until(partial(has, seen, WARM_UP_REVIEWS), START_LIMIT_S, "results of the warm-up")
        under = partial(_under, bench, incoming, child, seen)
        overload = under(figures["end_to_end_reviews_per_s"])
        left_per_s = rate_while_sent_per_s(seen.values(), overload.began_s, overload.ended_s)
        loads = {load: under(left_per_s * load / 100) for load in LOADS}
    found: dict[str, float] = {}
    for load, sent in loads.items():
        waits_s = sent.waits_s(seen)
        for name, percent in PERCENTILES.items():
            found[latency_name(load, name)] = percentile(waits_s, percent) * 1000
    lateness_s = max(percentile(sent.lateness_s, 99) for sent in loads.values())
    return {"left_reviews_per_s": left_per_s, **found, "send_lateness_p99_ms": lateness_s * 1000}


def _under(bench: Bench, incoming: str, child: Child, seen: Mapping[bytes, float], rate_per_s: float) -> Sent:
    """Send so many a second, then wait until all results are there."""
    first, due_s = len(seen), arrivals_s(rate_per_s, max(1, round(rate_per_s * LOAD_S)), seed=SEED)
    sent = send_on_time(bench.topics, incoming, load_texts(bench.data, len(due_s)), due_s, first)
    told = f"all results of {rate_per_s:,.0f} reviews/s"
    child.until(partial(has, seen, first + len(due_s)), limit_s(len(due_s)), told)
    return sent


def send_on_time(topics: Topics, topic: str, texts: Sequence[str], due_s: Sequence[float], first: int) -> Sent:
    """Send each review at its time, numbered from `first`."""
    lateness_s = []
    # A request a review would make sender and broker take the cores that are measured; the wait is in the latency.
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers, linger_ms=SEND_LINGER_MS)
    try:
        producer.partitions_for(topic)  # or the first send would wait for it
        began_s = time.monotonic()
        for number, (text, due) in enumerate(zip(texts, due_s, strict=True), start=first):
            time.sleep(max(0.0, began_s + due - time.monotonic()))
            lateness_s.append(time.monotonic() - began_s - due)
            producer.send(topic, **review(number, text))
    finally:
        producer.close(timeout=SEND_LIMIT_S)
    return Sent(first, due_s, began_s, lateness_s)
