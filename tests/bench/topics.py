"""The topics of one benchmark: made, filled, read, and deleted at the end."""

import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.bench.processes import BenchFailed
from tests.support.kafka_io import delete_topics
from worker.broker.cluster.admin import create_topics
from worker.broker.connection import Connection

PARTITIONS: Final = 4
SEND_LIMIT_S: Final = 60.0
FLUSH_EVERY: Final = 5000  # kafka-python has no limit of its own on what waits to be sent
POLL_MS: Final = 100


class Topics:
    """Topics with names of their own, so that a broker in use can be given. Time stamps are the broker's."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._prefix = f"bench-{secrets.token_hex(4)}"
        self._created: dict[str, int] = {}  # to the number of partitions

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        delete_topics(self.bootstrap_servers, list(self._created))

    def create(self, name: str, partitions: int = PARTITIONS) -> str:
        """Make a topic; its full name."""
        topic = f"{self._prefix}.{len(self._created)}.{name}"
        create_topics(
            Connection(self.bootstrap_servers), {topic: partitions}, {"message.timestamp.type": "LogAppendTime"}
        )
        self._created[topic] = partitions
        return topic

    def for_worker(self) -> dict[str, str]:
        """The settings of a worker with topics and a group of its own."""
        names = {f"{name}_topic": self.create(name) for name in ("input", "output", "dlq")}
        return names | {"bootstrap_servers": self.bootstrap_servers, "group_id": names["input_topic"]}

    def fill(self, topic: str, texts: Sequence[str]) -> None:
        """Publish one review a text, in turn to each partition."""
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap_servers, linger_ms=20, batch_size=262_144, compression_type=None
        )
        try:
            for start in range(0, len(texts), FLUSH_EVERY):
                ends = range(start, min(start + FLUSH_EVERY, len(texts)))
                sent = [producer.send(topic, **review(number, texts[number], self._created[topic])) for number in ends]
                producer.flush(timeout=SEND_LIMIT_S)
                if not all(future.succeeded() for future in sent):
                    raise BenchFailed(f"the broker did not store every review in {topic}")
        finally:
            producer.close(timeout=SEND_LIMIT_S)

    def stamps_ms(self, topic: str, expected: int) -> list[int]:
        """When the broker stored each result. Raises BenchFailed unless there are exactly as many as expected."""
        return [stamp_ms for each in self.stamps_by_partition_ms(topic, expected) for stamp_ms in each]

    def stamps_by_partition_ms(self, topic: str, expected: int) -> list[list[int]]:
        """The same for each partition. Raises as `stamps_ms`."""
        stamps_ms: list[list[int]] = [[] for _ in range(self._created[topic])]
        for record in self._read(topic, expected):
            stamps_ms[record.partition].append(record.timestamp)
        return stamps_ms

    def scores(self, topic: str, expected: int) -> dict[bytes, float]:
        """P(positive) by key. Raises BenchFailed as `stamps_ms`."""
        return {record.key: json.loads(record.value)["score"] for record in self._read(topic, expected)}

    def _read(self, topic: str, expected: int) -> Iterator[Any]:
        with self._consumer(topic) as (consumer, partitions):
            ends = consumer.end_offsets(partitions)  # the marks of transactions have offsets, too
            found = 0
            deadline_s = time.monotonic() + SEND_LIMIT_S
            while any(consumer.position(one) < end for one, end in ends.items()) and time.monotonic() < deadline_s:
                for records in consumer.poll(POLL_MS).values():
                    found += len(records)
                    yield from records
            if found != expected:
                raise BenchFailed(f"{topic} holds {found} results, not {expected}")

    @contextmanager
    def arrivals(self, topic: str) -> Iterator[dict[bytes, float]]:
        """When each key was read, monotonic seconds: a mapping that grows as results come, read on its own thread."""
        seen: dict[bytes, float] = {}
        over = threading.Event()

        def read() -> None:
            with self._consumer(topic) as (consumer, _):
                while not over.is_set():
                    polled = consumer.poll(POLL_MS)
                    now_s = time.monotonic()
                    seen.update((record.key, now_s) for records in polled.values() for record in records)

        reader = threading.Thread(target=read, name="bench-reader", daemon=True)
        reader.start()
        try:
            yield seen
        finally:
            over.set()
            reader.join(SEND_LIMIT_S)

    @contextmanager
    def _consumer(self, topic: str) -> Iterator[tuple[Any, list[TopicPartition]]]:
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False)
        try:
            partitions = [TopicPartition(topic, number) for number in range(self._created[topic])]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            yield consumer, partitions
        finally:
            consumer.close()


def key_of(number: int) -> bytes:
    """The key of the review with this number; its result has the same."""
    return b"%d" % number


def review(number: int, text: str, partitions: int = PARTITIONS) -> dict[str, Any]:
    """What `KafkaProducer.send` takes to publish a review."""
    value = {"review_id": f"review-{number}", "text": text}
    return {"key": key_of(number), "value": json.dumps(value).encode(), "partition": number % partitions}
