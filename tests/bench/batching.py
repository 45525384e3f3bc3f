"""`python -m tests.bench.batching`: what settings of the batcher are worth at saturation, against each other.

A topic is filled, then the worker that ships empties it under each set of settings, in turn, round after round: a
machine that changes its pace changes all of them. `--variant max_batch_reviews=64,linger_ms=5` adds a set; without any,
fixed sizes of batches are compared with a latency target, whose ratio to the best of them is the last line.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.demo.sample import SAMPLE
from deploy.kafka.launcher import choose_broker, to_stderr
from tests.bench.figures import rate_per_s
from tests.bench.texts import load_texts
from tests.support.kafka_io import Topics, delete_topics, new_topics
from tests.support.worker_process import WorkerProcess

FIXED: Final = ("max_batch_reviews=64", "max_batch_reviews=128", "max_batch_reviews=256", "max_batch_reviews=512")
ADAPTIVE: Final = "target_p99_ms=250"
SLOWEST_REVIEWS_PER_S: Final = 10  # below this something hangs
SEND_LIMIT_S: Final = 60.0
POLL_MS: Final = 100


def main() -> int:
    """Measure, and print the spread of each variant and its ratio to the first, within rounds."""
    arguments = _arguments(sys.argv[1:])
    variants = arguments.variant or [*FIXED, ADAPTIVE]
    texts = load_texts(arguments.data, arguments.reviews)
    rates: dict[str, list[float]] = {variant: [] for variant in variants}
    with choose_broker(arguments.bootstrap_servers) as broker, TemporaryDirectory(prefix="sentiment-") as directory:
        to_stderr(f"{broker.description}; load of the machine {os.getloadavg()[0]:.1f}")
        for number in range(1, arguments.rounds + 1):
            for variant in variants:
                rates[variant].append(measure(broker.address, texts, Path(directory) / "worker.log", variant))
                to_stderr(f"round {number}, {variant}: {rates[variant][-1]:,.0f} reviews/s")
    for variant in variants:
        sys.stdout.write(f"{variant}: {_spread(rates[variant], ',.0f')} reviews/s\n")
    best = max(variants[:-1], key=lambda variant: statistics.median(rates[variant]))
    ratios = [one / other for one, other in zip(rates[variants[-1]], rates[best], strict=True)]
    sys.stdout.write(f"{variants[-1]} / {best}: {_spread(ratios, '.2f')}\n")
    return 0


def measure(address: str, texts: Sequence[str], log: Path, variant: str) -> float:
    """Reviews a second, from the first result to the last."""
    settings: dict[str, Any] = dict(one.split("=", 1) for one in variant.split(","))
    topics = new_topics(address)
    try:
        _fill(address, topics.input, texts)
        worker = WorkerProcess(
            log,
            until_empty=True,
            bootstrap_servers=address,
            input_topic=topics.input,
            output_topic=topics.output,
            dlq_topic=topics.dlq,
            group_id=topics.input,
            **settings,
        )
        try:
            if status := worker.exit_status(SEND_LIMIT_S + len(texts) / SLOWEST_REVIEWS_PER_S):
                raise SystemExit(f"the worker ended with status {status}; {worker.log_tail()}")
        finally:
            worker.kill()
        return rate_per_s(_stamps_ms(address, topics, len(texts)))
    finally:
        delete_topics(address, topics.names())


def _fill(address: str, topic: str, texts: Sequence[str]) -> None:
    with closing(KafkaProducer(bootstrap_servers=address, linger_ms=20)) as producer:
        for number, text in enumerate(texts):
            value = {"review_id": f"review-{number}", "text": text}
            producer.send(topic, json.dumps(value).encode(), key=b"%d" % number)
        producer.flush(SEND_LIMIT_S)


def _stamps_ms(address: str, topics: Topics, expected: int) -> list[int]:
    """When each result was handed to the producer."""
    with closing(KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)) as consumer:
        consumer.assign([TopicPartition(topics.output, one) for one in consumer.partitions_for_topic(topics.output)])
        consumer.seek_to_beginning()
        stamps: list[int] = []
        deadline_s = time.monotonic() + SEND_LIMIT_S
        while len(stamps) < expected and time.monotonic() < deadline_s:
            stamps += [record.timestamp for records in consumer.poll(POLL_MS).values() for record in records]
    if len(stamps) != expected:
        raise SystemExit(f"{topics.output} holds {len(stamps)} results, not {expected}")
    return stamps


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _arguments(command_line: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batching", description="Batches at saturation.")
    parser.add_argument("--variant", action="append", metavar="NAME=VALUE,...", help="settings of one of the workers")
    parser.add_argument("--reviews", type=int, default=4000, help="on the topic (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="reviews, .jsonl or .jsonl.xz with a field `text`")
    parser.add_argument("--bootstrap-servers", help="of a Kafka that runs (default: start one)")
    return parser.parse_args(command_line)


if __name__ == "__main__":
    sys.exit(main())
