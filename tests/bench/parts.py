"""The parts of the benchmark. Each takes a bench and a subject, and returns figures by their names."""

import time
from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from kafka import KafkaProducer

from tests.bench.figures import Resident, percentile, rate_per_s
from tests.bench.machine import resident_mib
from tests.bench.processes import Child, answer_of, started
from tests.bench.schedule import arrivals_s
from tests.bench.subjects import Subject
from tests.bench.texts import load_texts
from tests.bench.topics import SEND_LIMIT_S, Topics, key_of, review

START_LIMIT_S: Final = 60.0
SLOWEST_REVIEWS_PER_S: Final = 10  # below this something hangs

WARM_UP_REVIEWS: Final = 128
HALF_LOAD_S: Final = 20.0  # length of the load
SEND_LINGER_MS: Final = 5
SEED: Final = 7

MEMORY_REVIEWS: Final = 50_000
MEMORY_SAMPLE_EVERY: Final = 1000


@dataclass(frozen=True, slots=True)
class Bench:
    """What the parts share."""

    topics: Topics
    data: Path
    reviews: int
    filled: str  # the topic that holds them


def engine(bench: Bench, subject: Subject) -> tuple[Mapping[str, float], Mapping[str, object]]:
    """The engine alone, on word ids and on text; then what it says of itself."""
    arguments = ["--artifact", str(subject.artifact), "--data", str(bench.data), "--reviews", str(bench.reviews)]
    answer = answer_of("the engine", ["tests.bench.engine", *arguments], limit_s=_limit_s(2 * bench.reviews))
    figures = {name: answer.pop(name) for name in ("engine_tokenized_reviews_per_s", "engine_text_reviews_per_s")}
    return figures, answer


def end_to_end(bench: Bench, subject: Subject) -> dict[str, float]:
    """The worker on a topic filled before it starts; nobody reads the results until it has ended."""
    output = bench.topics.create("scored")
    with worker(bench.topics, subject, bench.filled, output, "--until-empty") as child:
        child.wait(_limit_s(bench.reviews))
    return {"end_to_end_reviews_per_s": rate_per_s(bench.topics.stamps_ms(output, bench.reviews))}


def exactly_once(bench: Bench, subject: Subject) -> dict[str, float]:
    """As `end_to_end`, with results and offsets of each checkpoint in one transaction."""
    output = bench.topics.create("scored")
    flags = ("--until-empty", "--delivery", "exactly_once")
    with worker(bench.topics, subject, bench.filled, output, *flags) as child:
        child.wait(_limit_s(bench.reviews))
    return {"exactly_once_reviews_per_s": rate_per_s(bench.topics.stamps_ms(output, bench.reviews))}


def naive(bench: Bench, subject: Subject) -> dict[str, float]:
    """The consumer written by hand on the same topic: fewer reviews, for it takes its time."""
    reviews = max(200, bench.reviews // 8)
    output = bench.topics.create("naive")
    arguments = [
        "--artifact", str(subject.artifact), "--reviews", str(reviews),
        "--bootstrap-servers", bench.topics.bootstrap_servers,
        "--input", bench.filled, "--output", output, "--group", output,
    ]  # fmt: skip
    with started("the naive consumer", ["tests.bench.naive", *arguments]) as child:
        child.wait(_limit_s(reviews))
    return {"naive_reviews_per_s": rate_per_s(bench.topics.stamps_ms(output, reviews))}


def half_load(bench: Bench, subject: Subject, full_load_per_s: float) -> dict[str, float]:
    """Reviews that arrive at half the rate just measured, by a schedule; each latency counts from its due time."""
    rate = full_load_per_s / 2
    due_s = arrivals_s(rate, round(rate * HALF_LOAD_S), seed=SEED)
    texts = load_texts(bench.data, WARM_UP_REVIEWS + len(due_s))
    incoming, output = bench.topics.create("raw"), bench.topics.create("scored")
    bench.topics.fill(incoming, texts[:WARM_UP_REVIEWS])
    with bench.topics.arrivals(output) as seen, worker(bench.topics, subject, incoming, output) as child:
        child.until(partial(_has, seen, WARM_UP_REVIEWS), START_LIMIT_S, "results of the warm-up")
        began_s, lateness_s = _send_on_time(bench.topics, incoming, texts, due_s)
        child.until(partial(_has, seen, len(texts)), _limit_s(len(due_s)), "all results")
    latencies_s = [seen[key_of(number)] - began_s - due for number, due in enumerate(due_s, start=WARM_UP_REVIEWS)]
    return {
        "half_load_reviews_per_s": rate,
        "latency_p50_ms": percentile(latencies_s, 50) * 1000,
        "latency_p99_ms": percentile(latencies_s, 99) * 1000,
        "send_lateness_p99_ms": percentile(lateness_s, 99) * 1000,
    }


def memory(bench: Bench, subject: Subject) -> list[Resident]:
    """Resident memory of one worker over a long run, looked at after each so many results."""
    incoming, output = bench.topics.create("raw"), bench.topics.create("scored")
    bench.topics.fill(incoming, load_texts(bench.data, MEMORY_REVIEWS))
    samples: list[Resident] = []
    with bench.topics.arrivals(output) as seen, worker(bench.topics, subject, incoming, output) as child:
        for results in range(MEMORY_SAMPLE_EVERY, MEMORY_REVIEWS + 1, MEMORY_SAMPLE_EVERY):
            child.until(partial(_has, seen, results), _limit_s(MEMORY_SAMPLE_EVERY), f"result {results}")
            samples.append(Resident(results, resident_mib(child.pid)))
    return samples


@contextmanager
def worker(topics: Topics, subject: Subject, incoming: str, output: str, *flags: str) -> Iterator[Child]:
    """The worker as users start it, with its default settings, in a group of its own."""
    variables = {
        "SENTIMENT_BOOTSTRAP_SERVERS": topics.bootstrap_servers,
        "SENTIMENT_INPUT_TOPIC": incoming,
        "SENTIMENT_OUTPUT_TOPIC": output,
        "SENTIMENT_DLQ_TOPIC": topics.create("dlq"),
        "SENTIMENT_GROUP_ID": output,
        "SENTIMENT_MODEL": str(subject.artifact),
        "SENTIMENT_HTTP_PORT": "0",
    }
    with started("the worker", ["worker", "run", *flags], variables=variables) as child:
        yield child


def _send_on_time(topics: Topics, topic: str, texts: list[str], due_s: list[float]) -> tuple[float, list[float]]:
    """Send what comes after the warm-up, each at its time; when the schedule began, and how late each send was."""
    lateness_s = []
    # A request a review would make sender and broker take the cores that are measured; the wait is in the latency.
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers, linger_ms=SEND_LINGER_MS)
    try:
        producer.partitions_for(topic)  # or the first send would wait for it
        began_s = time.monotonic()
        for number, due in enumerate(due_s, start=WARM_UP_REVIEWS):
            time.sleep(max(0.0, began_s + due - time.monotonic()))
            lateness_s.append(time.monotonic() - began_s - due)
            producer.send(topic, **review(number, texts[number]))
    finally:
        producer.close(timeout=SEND_LIMIT_S)
    return began_s, lateness_s


def _has(seen: Sized, count: int) -> bool:
    return len(seen) >= count


def _limit_s(reviews: int) -> float:
    return START_LIMIT_S + reviews / SLOWEST_REVIEWS_PER_S
