"""Writing to and reading from Kafka with kafka-python alone: the oracle of tests, without a line of the worker."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import RetriableError, SecurityDisabledError
from kafka.structs import OffsetAndMetadata, TopicPartition

from tests.support.until import until

ANSWER_LIMIT_S = 30.0
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # as the broker's message.max.bytes
PRODUCER = {"acks": "all", "linger_ms": 5, "max_request_size": MAX_MESSAGE_BYTES}


class RawName(str):
    """A header's name that kafka-python writes as these bytes."""

    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Any bytes: UTF-8 is what the library would write."""
        name = cls("raw")
        name.raw = raw
        return name

    def encode(self, *_: object) -> bytes:
        """What the library asks for."""
        return self.raw


class Message(NamedTuple):
    """What a test writes."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None  # None: by the hash of the key
    timestamp_ms: int | None = None  # None: now


class Position(NamedTuple):
    """Where a message is stored."""

    partition: int
    offset: int


class Stored(NamedTuple):
    """What a topic holds."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Topics:
    """The three topics of one worker."""

    input: str
    output: str
    dlq: str

    def names(self) -> tuple[str, str, str]:
        """All three."""
        return self.input, self.output, self.dlq


class MakeTopics(Protocol):
    """The fixture `topics`."""

    def __call__(self, *, partitions: int = 4) -> Topics: ...


def new_topics(address: str, *, partitions: int = 4) -> Topics:
    """Three new topics with names of their own."""
    tag = uuid4().hex[:8]
    topics = Topics(f"reviews.raw.{tag}", f"reviews.scored.{tag}", f"reviews.dlq.{tag}")
    create_topics(address, topics.names(), partitions=partitions)
    return topics


def create_topics(address: str, names: Iterable[str], *, partitions: int = 4) -> None:
    """Create topics and wait until every partition has its leader."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        options = {"num_partitions": partitions, "replication_factor": 1}
        admin.create_topics(dict.fromkeys(names, options), wait_for_metadata=True)


def delete_topics(address: str, names: Iterable[str]) -> None:
    """Delete topics that exist."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.delete_topics(list(names))


def set_topic_config(address: str, topic: str, name: str, value: str) -> None:
    """Change one setting of a topic, and wait until the broker has it: it acknowledges first."""

    def value_there() -> str | None:
        settings = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, None)])["topic"][topic]
        return settings[name]["value"] if name in settings else None

    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})])
        until(lambda: value_there() == value, ANSWER_LIMIT_S, f"{topic} has {name}={value}")


@contextmanager
def denied(address: str, resource: ResourceType, name: str, operation: ACLOperation) -> Iterator[None]:
    """Nobody may do this to this topic or group while inside. Skips the test where a broker has no authorizer."""
    acls = [
        ACL("User:*", "*", what, permission, ResourcePattern(resource, name))
        # What has rules forbids all that they do not allow.
        for what, permission in ((operation, ACLPermissionType.DENY), (ACLOperation.ALL, ACLPermissionType.ALLOW))
    ]
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        answer = admin.create_acls(acls)
        if any(isinstance(error, SecurityDisabledError) for _, error in answer["failed"]):
            pytest.skip("the broker at the address given has no authorizer")
        assert not answer["failed"]
        try:
            yield
        finally:
            admin.delete_acls(acls)


def produce(address: str, topic: str, messages: Iterable[Message]) -> list[Position]:
    """Write `messages` in this order; where each is stored, once the broker has acknowledged them all."""
    with closing(KafkaProducer(bootstrap_servers=address, **PRODUCER)) as producer:
        return _send_all(producer, topic, messages)


def produce_in_transaction(address: str, topic: str, messages: Iterable[Message], *, commit: bool) -> list[Position]:
    """Write `messages` in one transaction, which is then committed or aborted."""
    producer = KafkaProducer(bootstrap_servers=address, transactional_id=uuid4().hex, **PRODUCER)
    with closing(producer):
        producer.init_transactions()
        producer.begin_transaction()
        places = _send_all(producer, topic, messages)
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    return places


def consume_in_group(address: str, topic: str, *, group: str, count: int, limit_s: float = 60.0) -> list[Stored]:
    """The next `count` committed messages for `group`, whose offsets it then commits."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_poll_records=count,
    )
    with closing(consumer):
        found: list[Stored] = []
        deadline_s = time.monotonic() + limit_s
        while len(found) < count:
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{group} got {len(found)} of {count} messages of {topic} within {limit_s:g} s")
            for records in consumer.poll(timeout_ms=200, max_records=count - len(found)).values():
                found += [_stored(record) for record in records]
        consumer.commit()
    return found


def read_all(address: str, topic: str, *, committed_only: bool = False, limit_s: float = 60.0) -> list[Stored]:
    """What `topic` holds now, ordered by partition and offset, as a reader without a group sees it.

    `committed_only` hides what belongs to transactions that are open or aborted.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        enable_auto_commit=False,
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
    )
    with closing(consumer):
        partitions = _partitions(consumer, topic)
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        found: list[Stored] = []
        deadline_s = time.monotonic() + limit_s
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            if time.monotonic() > deadline_s:
                raise AssertionError(
                    f"{topic} was not read to its end within {limit_s:g} s: {len(found)} messages so far"
                )
            for records in consumer.poll(timeout_ms=200).values():
                found += [_stored(record) for record in records]
    return sorted(found, key=lambda message: (message.partition, message.offset))


def committed_offsets(address: str, group: str, topic: str) -> dict[int, int]:
    """The next offset that `group` has stored, per partition of `topic`; a partition without one is left out."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        [offsets] = until(lambda: _group_offsets(admin, group), ANSWER_LIMIT_S, f"the offsets of {group}")
    return {place.partition: stored.offset for place, stored in offsets.items() if place.topic == topic}


def _group_offsets(admin: KafkaAdminClient, group: str) -> list[Mapping[TopicPartition, OffsetAndMetadata]]:
    """One answer; none while the broker is not itself yet, having just begun again or been frozen."""
    try:
        return [admin.list_group_offsets(group)[group]]
    except RetriableError:
        return []


def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    numbers = consumer.partitions_for_topic(topic)
    assert numbers, f"there is no topic {topic}"
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def _stored(record: ConsumerRecord) -> Stored:
    return Stored(record.partition, record.offset, record.key, record.value, tuple(record.headers), record.timestamp)


def _send_all(producer: KafkaProducer, topic: str, messages: Iterable[Message]) -> list[Position]:
    sends = [
        producer.send(
            topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers),
            partition=message.partition,
            timestamp_ms=message.timestamp_ms,
        )
        for message in messages
    ]
    acknowledged = [send.get(timeout=ANSWER_LIMIT_S) for send in sends]
    return [Position(metadata.partition, metadata.offset) for metadata in acknowledged]


def group_names(address: str) -> set[str]:
    """The consumer groups that the broker knows."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        return {group["group_id"] for group in admin.list_groups()}
