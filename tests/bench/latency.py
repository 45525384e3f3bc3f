"""Latency against load: reviews arrive by a schedule, and each latency counts from the time at which it was due."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from kafka import KafkaProducer

from tests.bench.figures import LOADS, PERCENTILES, Figures, latency_name
from tests.bench.parts import START_LIMIT_S, Bench, has, limit_s, worker
from tests.bench.schedule import arrivals_s
from tests.bench.subjects import Subject
from tests.bench.texts import load_texts
from tests.bench.topics import SEND_LIMIT_S, Topics, key_of, review
from worker.bench.figures import percentile

WARM_UP_REVIEWS: Final = 128
LOAD_S: Final = 6.0  # length of each load
SEND_LINGER_MS: Final = 5
SEED: Final = 7


def latency(bench: Bench, subject: Subject, figures: Figures) -> Figures:
    """One worker under one load after the other, the next when all results of the last are there."""
    capacity_per_s = figures["end_to_end_reviews_per_s"]
    incoming, output = bench.topics.create("raw"), bench.topics.create("scored")
    bench.topics.fill(incoming, load_texts(bench.data, WARM_UP_REVIEWS))
    found: dict[str, float] = {"send_lateness_p99_ms": 0.0}
    with bench.topics.arrivals(output) as seen, worker(bench.topics, subject, incoming, output) as child:
        child.until(partial(has, seen, WARM_UP_REVIEWS), START_LIMIT_S, "results of the warm-up")
        first = WARM_UP_REVIEWS
        for load in LOADS:
            rate_per_s = capacity_per_s * load / 100
            due_s = arrivals_s(rate_per_s, max(1, round(rate_per_s * LOAD_S)), seed=SEED)
            began_s, lateness_s = send_on_time(bench.topics, incoming, load_texts(bench.data, len(due_s)), due_s, first)
            child.until(partial(has, seen, first + len(due_s)), limit_s(len(due_s)), f"all results at {load} % load")
            waits_s = [seen[key_of(number)] - began_s - due for number, due in enumerate(due_s, start=first)]
            for name, percent in PERCENTILES.items():
                found[latency_name(load, name)] = percentile(waits_s, percent) * 1000
            late_ms = percentile(lateness_s, 99) * 1000
            found["send_lateness_p99_ms"] = max(found["send_lateness_p99_ms"], late_ms)
            first += len(due_s)
    return found


def send_on_time(
    topics: Topics, topic: str, texts: Sequence[str], due_s: Sequence[float], first: int
) -> tuple[float, list[float]]:
    """Send each review at its time, numbered from `first`; when the schedule began, and how late each send was."""
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
    return began_s, lateness_s
