"""Numbered reviews into one topic, and everything that comes of them out of two others."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.serializer import Serializer
from kafka.structs import TopicPartition

from tests.support.kafka_io import ANSWER_LIMIT_S, MAX_MESSAGE_BYTES, Message, Position, Stored, Topics
from tests.support.oracle import Input, Result
from tests.support.until import until

NUMBER = "test-number"  # header: travels with an input to its result or dead letter
WORDS = (
    *("a", "the", "film", "plot", "acting", "was", "is", "not", "very", "and", "but", "i", "it", "never", "always"),
    *("good", "bad", "great", "awful", "boring", "moving"),
)
READ_LIMIT_S = 60.0
LOAD = 20  # inputs without a result, where a test wants some at any moment
SOON_MS = 500  # the default of 30 s is how long a broker may be back before these clients try again


def reviews(*, seed: int, words: int = 60, partitions: int = 4) -> Iterator[Message]:
    """Endless reviews of about `words` words, in turn to each partition, five keys to a partition."""
    rng = random.Random(seed)
    number = 0
    while True:
        text = " ".join(rng.choices(WORDS, k=rng.randint(words // 2, words * 3 // 2)))
        value = json.dumps({"review_id": f"review-{number}", "text": text}).encode()
        partition = number % partitions
        yield Message(value, key=b"film-%d-%d" % (partition, rng.randrange(5)), partition=partition)
        number += 1


def with_word(word: str, messages: Iterable[Message]) -> Iterator[Message]:
    """The same reviews with one word more, which some engines choke on."""
    for message in messages:
        assert message.value is not None
        review = json.loads(message.value)
        yield message._replace(value=json.dumps(review | {"text": f"{review['text']} {word}"}).encode())


def around(word: str) -> list[Message]:
    """Good reviews around one with this word."""
    good = reviews(seed=1)
    return [*islice(good, 200), *with_word(word, islice(good, 1)), *islice(good, 200)]


class _NoEmptyKeys(Serializer):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python asks for a key or a value before it serializes them: an empty key stands for none."""

    def serialize(self, topic: str, headers: object, data: bytes) -> bytes | None:  # noqa: ARG002  # its interface
        return data or None


class Traffic:
    """Writes to the input topic, follows the other two, and remembers both sides."""

    def __init__(self, address: str, topics: Topics) -> None:
        self.inputs: list[Input] = []
        self.results: list[Result] = []
        self._topics = topics
        self._answered: set[Position] = set()
        self._producer = KafkaProducer(
            bootstrap_servers=address,
            enable_idempotence=True,
            key_serializer=_NoEmptyKeys(),
            linger_ms=5,
            max_request_size=MAX_MESSAGE_BYTES,
            reconnect_backoff_max_ms=SOON_MS,
        )
        self._consumer = KafkaConsumer(
            bootstrap_servers=address,
            isolation_level="read_committed",
            max_poll_records=5000,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            reconnect_backoff_max_ms=SOON_MS,
        )
        followed = [
            TopicPartition(topic, number)
            for topic in (topics.output, topics.dlq)
            for number in self._consumer.partitions_for_topic(topic)
        ]
        self._consumer.assign(followed)
        self._consumer.seek_to_beginning()

    def close(self) -> None:
        """Let go of the clients."""
        self._producer.close(timeout=ANSWER_LIMIT_S)
        self._consumer.close()

    def send(self, messages: Iterable[Message]) -> list[Input]:
        """Write messages, each to the partition that it names, and return when the broker has them all."""
        began_with = len(self.inputs)
        under_way = []
        for number, message in enumerate(messages, start=began_with):
            headers = [*message.headers, (NUMBER, str(number).encode())]
            sending = self._producer.send(
                self._topics.input, message.value, message.key or b"", headers, message.partition
            )
            under_way.append((number, message.key, sending))
        for number, key, sending in under_way:
            stored = sending.get(timeout=READ_LIMIT_S)
            self.inputs.append(Input(Position(stored.partition, stored.offset), number, key))
        return self.inputs[began_with:]

    def answered(self) -> int:
        """How many inputs have a result by now."""
        for partition, records in self._consumer.poll(timeout_ms=20).items():
            for record in records:
                result = result_of(partition.topic, record)._replace(seen_s=time.monotonic())
                self.results.append(result)
                self._answered.add(result.source)
        return len(self._answered)

    def until_answered(self, count: int | None = None, limit_s: float = READ_LIMIT_S) -> None:
        """Wait until `count` inputs have a result; all that were sent, if not said."""
        wanted = len(self.inputs) if count is None else count
        until(lambda: self.answered() >= wanted, limit_s, f"{wanted} of {len(self.inputs)} inputs have a result")

    def load_until(self, condition: Callable[[], bool], messages: Iterator[Message], what: str, *, most: int) -> None:
        """Send on, a few for each that is answered, until `condition` holds; at `most` inputs just wait for it."""

        def loaded() -> bool:
            if len(self.inputs) - self.answered() < LOAD and len(self.inputs) < most:
                self.send(islice(messages, LOAD // 2))
            return condition()

        until(loaded, READ_LIMIT_S, what)

    def begin_again(self, topic: str) -> None:
        """Follow a topic that was deleted and recreated. The results of the old one stay known."""
        self._consumer.seek_to_beginning(*(part for part in self._consumer.assignment() if part.topic == topic))

    def read_to_end(self) -> None:
        """Take in all that the broker has now."""
        ends = self._consumer.end_offsets(list(self._consumer.assignment()))

        def at_the_end() -> bool:
            self.answered()
            return all(self._consumer.position(partition) >= end for partition, end in ends.items())

        until(at_the_end, READ_LIMIT_S, "all results are read")


def result_of(topic: str, record: ConsumerRecord | Stored) -> Result:
    """What a record of the output or dead-letter topic says of its origin."""
    headers = dict(record.headers)
    source, number = headers.get("sentiment-source"), headers.get(NUMBER)
    where = f"{topic}-{record.partition}-{record.offset}"
    assert source, f"{where} does not say where it comes from"
    assert number, f"{where} has lost a header of its input"
    _, partition, offset = source.decode().rsplit("-", 2)
    place = Position(record.partition, record.offset)
    return Result(topic, place, Position(int(partition), int(offset)), int(number), record.key)
