"""The parts of the benchmark. Each takes a bench, a subject and the figures so far; returns figures by their names."""

from collections.abc import Iterator, Sized
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.counts import MEMORY_REVIEWS, Counts
from tests.bench.figures import (
    ACCELERATOR_PER_S,
    FAST_ACCELERATOR_PER_S,
    SCALES,
    Figures,
    Resident,
    rate_of_all_per_s,
    rate_per_s,
    scale_name,
)
from tests.bench.processes import Child, answer_of, started
from tests.bench.subjects import Subject
from tests.bench.texts import load_texts
from tests.bench.topics import Topics
from tests.support.machine import resident_mib
from worker.broker.clients import ClientName

START_LIMIT_S: Final = 60.0
SLOWEST_REVIEWS_PER_S: Final = 10  # below this something hangs
MEMORY_SAMPLE_EVERY: Final = 4000


@dataclass(slots=True)
class Bench:
    """What the parts share."""

    topics: Topics
    data: Path
    counts: Counts = field(default_factory=Counts)
    _filled: dict[tuple[int, int], str] = field(default_factory=dict)

    def filled(self, reviews: int, partitions: int = 4) -> str:
        """A topic that holds so many; filled when it is asked for first."""
        if (reviews, partitions) not in self._filled:
            topic = self.topics.create("raw", partitions)
            self.topics.fill(topic, load_texts(self.data, reviews))
            self._filled[reviews, partitions] = topic
        return self._filled[reviews, partitions]


def engine(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """The engine alone, on word ids and on text; what it says of itself is kept with the subject."""
    reviews = bench.counts.engine
    arguments = ["--artifact", str(subject.artifact), "--data", str(bench.data), "--reviews", str(reviews)]
    answer = answer_of("the engine", ["tests.bench.engine", *arguments], limit_s=limit_s(8 * reviews))
    subject.about.update(answer["about"])
    figures: Figures = answer["figures"]
    return figures


def client(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """Kafka's client alone."""
    records = bench.counts.pipeline
    arguments = [
        "--bootstrap-servers", bench.topics.bootstrap_servers, "--input", bench.filled(records),
        "--output", bench.topics.create("copied"), "--records", str(records), "--client", subject.client,
    ]  # fmt: skip
    answer: Figures = answer_of("the client", ["tests.bench.client", *arguments], limit_s=limit_s(records))
    return answer


def end_to_end(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """The worker on a topic filled before it starts; nobody reads the results until it has ended."""
    return {"end_to_end_reviews_per_s": worker_rate(bench, subject)}


def second_client(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """As `end_to_end`, with librdkafka."""
    return {"confluent_reviews_per_s": worker_rate(bench, subject, "--client", "confluent")}


def exactly_once(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """As `end_to_end`, with results and offsets of each checkpoint in one transaction."""
    return {"exactly_once_reviews_per_s": worker_rate(bench, subject, "--delivery", "exactly_once")}


def disturbed(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """As `end_to_end`, while another process keeps one core busy."""
    with started("the neighbour", ["tests.bench.neighbour"]):
        return {"disturbed_reviews_per_s": worker_rate(bench, subject)}


def simulated(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """The worker around a predictor that only takes its time, one and several of them in a group."""
    figures: dict[str, float] = {}
    for workers, partitions in SCALES:
        rate, processor_us = _carried(bench, subject, workers, partitions)
        figures[scale_name(workers, partitions)] = rate
        if (workers, partitions) == (1, 4):
            figures["pipeline_processor_us"] = processor_us
    fast, processor_us = _carried(bench, subject, 1, 4, accelerator_per_s=FAST_ACCELERATOR_PER_S)
    figures["pipeline_fast_reviews_per_s"] = fast
    return figures


def memory(bench: Bench, subject: Subject) -> list[Resident]:
    """Resident memory of one worker over a long run, looked at after each so many results."""
    output = bench.topics.create("scored")
    samples: list[Resident] = []
    with (
        bench.topics.arrivals(output) as seen,
        worker(bench.topics, subject, bench.filled(MEMORY_REVIEWS), output) as child,
    ):
        for results in range(MEMORY_SAMPLE_EVERY, MEMORY_REVIEWS + 1, MEMORY_SAMPLE_EVERY):
            child.until(partial(has, seen, results), limit_s(MEMORY_SAMPLE_EVERY), f"result {results}")
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


def scored_by_worker(bench: Bench, subject: Subject, *flags: str) -> str:
    """Let the worker score a topic filled before it starts; where its results are."""
    reviews, output = bench.counts.end_to_end, bench.topics.create("scored")
    with worker(bench.topics, subject, bench.filled(reviews), output, "--until-empty", *flags) as child:
        child.wait(limit_s(reviews))
    return output


def worker_rate(bench: Bench, subject: Subject, *flags: str) -> float:
    """Reviews/s of the worker on a topic filled before it starts."""
    return rate_per_s(bench.topics.stamps_ms(scored_by_worker(bench, subject, *flags), bench.counts.end_to_end))


def carrier(
    bench: Bench,
    incoming: str,
    *,
    output: str | None = None,
    artifact: Path | None = None,
    client: ClientName = "kafka-python",
    accelerator_per_s: int = ACCELERATOR_PER_S,
) -> list[str]:
    """The arguments of the worker around a simulated accelerator, or around an artifact."""
    output = output or bench.topics.create("scored")
    return [
        "tests.bench.carrier", "--bootstrap-servers", bench.topics.bootstrap_servers, "--input", incoming,
        "--output", output, "--dlq", bench.topics.create("dlq"), "--group", output, "--client", client,
        *(["--artifact", str(artifact)] if artifact else ["--accelerator-per-s", str(accelerator_per_s)]),
    ]  # fmt: skip


def has(seen: Sized, count: int) -> bool:
    """Whether there are so many."""
    return len(seen) >= count


def limit_s(reviews: int) -> float:
    """After this something hangs."""
    return START_LIMIT_S + reviews / SLOWEST_REVIEWS_PER_S


def _carried(
    bench: Bench,
    subject: Subject,
    workers: int,
    partitions: int,
    *,
    accelerator_per_s: int = ACCELERATOR_PER_S,
) -> tuple[float, float]:
    """Reviews/s of all workers together, and the processor time of a review, us."""
    reviews = bench.counts.pipeline
    incoming, output = bench.filled(reviews, partitions), bench.topics.create("scored", partitions)
    arguments = carrier(bench, incoming, output=output, client=subject.client, accelerator_per_s=accelerator_per_s)
    with TemporaryDirectory() as meeting, ExitStack() as running:
        arguments += ["--meeting", meeting, "--workers", str(workers)]
        variables = {"OPENBLAS_NUM_THREADS": "1"}  # as `python -m worker` sets it
        children = [
            running.enter_context(started("the worker", arguments, variables=variables)) for _ in range(workers)
        ]
        for child in children:
            child.wait(limit_s(reviews))
        processor_s = sum(child.answer()["processor_s"] for child in children)
    stamps_ms = bench.topics.stamps_by_partition_ms(output, reviews)
    rate = rate_per_s([*chain(*stamps_ms)]) if workers == 1 else rate_of_all_per_s(stamps_ms)
    return rate, processor_s / reviews * 1e6
