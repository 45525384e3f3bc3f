"""`python -m tests.bench.single`: how long one review takes when nothing else is to be done.

Reviews are sent one at a time, with a pause after each, to the worker that ships, in a process of its own with its
default settings; a latency is from handing the review to a producer until its result was read. So that it can be
explained, the same is done without a worker (write, read: the broker's part, of which a review needs two), and the
worker is asked how long one inference took.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.demo.sample import SAMPLE
from deploy.kafka.launcher import choose_broker, to_stderr
from tests.bench.processes import worker_process
from tests.bench.texts import load_texts
from tests.bench.topics import Topics, review
from worker.commands.bench.figures import Spread

WARM_UP: Final = 20  # reviews at the start that do not count
ANSWER_LIMIT_S: Final = 30.0
POLL_MS: Final = 100  # a record that comes ends the poll


def main() -> int:
    """Measure and print one line a round, then the medians."""
    arguments = _arguments(sys.argv[1:])
    texts = load_texts(arguments.data, WARM_UP + arguments.reviews)
    settings: dict[str, Any] = dict(one.split("=", 1) for one in arguments.set)
    with choose_broker(arguments.bootstrap_servers) as broker, TemporaryDirectory(prefix="sentiment-") as directory:
        to_stderr(f"{broker.description}; load of the machine {os.getloadavg()[0]:.1f}")
        rounds = []
        for number in range(1, arguments.rounds + 1):
            figures = measure(broker.address, texts, arguments.gap_ms / 1000, Path(directory), settings)
            rounds.append(figures)
            to_stderr(f"round {number}: " + ", ".join(f"{name} {value:.1f}" for name, value in figures.items()))
    for name in rounds[0]:
        sys.stdout.write(f"{name}: {Spread.of([figures[name] for figures in rounds])}\n")
    return 0


def measure(
    address: str, texts: Sequence[str], gap_s: float, directory: Path, settings: dict[str, Any]
) -> dict[str, float]:
    """The figures of one round, in milliseconds."""
    with Topics(address) as topics:
        given = topics.for_worker()
        there_s = _latencies_s(address, given["dlq_topic"], given["dlq_topic"], texts, gap_s)
        with worker_process(directory / "worker.log", **given | settings) as worker:
            worker.until_ready()
            taken_s = _latencies_s(address, given["input_topic"], given["output_topic"], texts, gap_s)
            inferences = worker.metric("sentiment_stage_seconds_count", stage="inference")
            inference_s = worker.metric("sentiment_stage_seconds_sum", stage="inference") / inferences
    p95, p99 = (statistics.quantiles(taken_s, n=100)[percent - 1] for percent in (95, 99))
    return {
        "p50 ms": 1000 * statistics.median(taken_s),
        "p95 ms": 1000 * p95,
        "p99 ms": 1000 * p99,
        "of it inference (mean) ms": 1000 * inference_s,
        "the broker alone (p50) ms": 1000 * statistics.median(there_s),
    }


def _latencies_s(address: str, to: str, back: str, texts: Sequence[str], gap_s: float) -> list[float]:
    """From handing each over until something was read from `back`, the warm-up left out."""
    with (
        closing(KafkaProducer(bootstrap_servers=address, linger_ms=0)) as producer,
        _reader(address, back) as read,
    ):
        producer.partitions_for(to)  # or the first send would wait for it
        taken_s = []
        for number, text in enumerate(texts):
            message = review(number, text)
            began_s = time.perf_counter()
            producer.send(to, **message)
            read()
            taken_s.append(time.perf_counter() - began_s)
            time.sleep(gap_s)
        return taken_s[WARM_UP:]


@contextmanager
def _reader(address: str, topic: str) -> Iterator[Callable[[], None]]:
    """What waits for the next message of a topic."""
    with closing(KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)) as consumer:
        partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        for partition, end in consumer.end_offsets(partitions).items():  # `seek_to_end` would look it up later
            consumer.seek(partition, end)

        def read() -> None:
            deadline_s = time.monotonic() + ANSWER_LIMIT_S
            while not consumer.poll(POLL_MS):
                if time.monotonic() > deadline_s:
                    raise SystemExit(f"nothing came out of {topic} within {ANSWER_LIMIT_S:g} s")

        yield read


def _arguments(command_line: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.single", description="One review at a time.")
    parser.add_argument("--reviews", type=int, default=100, help="a round, besides the warm-up (default: %(default)s)")
    parser.add_argument("--gap-ms", type=float, default=200, help="pause after each result (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="each with a worker of its own (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the worker")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="reviews, .jsonl or .jsonl.xz with a field `text`")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    return parser.parse_args(command_line)


if __name__ == "__main__":
    sys.exit(main())
