"""What the contract suites need of a broker besides what they test, and a reader that keeps count."""

from collections.abc import Callable, Iterable
from typing import Protocol

from tests.support.kafka_io import Message, Stored
from tests.support.until import until
from worker.broker.contract import Polled, Record, Sink, Source, TopicPartition, TransactionalSink

LIMIT_S = 30.0


class BrokerRig(Protocol):
    """One broker, with a way in and out that does not use the code under test."""

    def topic(self, *, partitions: int = 1, max_message_bytes: int | None = None) -> str:
        """Create a topic with a name of its own."""
        ...

    def delete_topic(self, topic: str) -> None:
        """Delete a topic that was created."""
        ...

    def recreate_topic(self, topic: str) -> None:
        """Delete a topic and make another, of one partition, under its name."""
        ...

    def delete_records(self, partition: TopicPartition, *, before: int) -> None:
        """Delete the oldest records of a partition, as retention does."""
        ...

    def produce(self, topic: str, messages: Iterable[Message]) -> None:
        """Store messages."""
        ...

    def stored(self, topic: str) -> list[Stored]:
        """What a topic holds for readers of committed data, ordered by partition and offset."""
        ...

    def committed(self, group_id: str, topic: str) -> dict[int, int]:
        """The next offset that a group stored, by partition."""
        ...

    def evict(self, source: Source, group_id: str) -> None:
        """Throw the only member of a group out of it."""
        ...

    def source(self, topic: str, *, group_id: str) -> Source:
        """A member of a group, closed after the test."""
        ...

    def sink(self) -> Sink:
        """A producer, closed after the test."""
        ...

    def transactional_sink(self, transactional_id: str) -> TransactionalSink:
        """A producer of transactions, closed after the test."""
        ...


class Reader:
    """A source, and what its polls have returned."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.owned: set[TopicPartition] = set()
        self.records: list[Record] = []
        self.polls: list[Polled] = []

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.records]

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """The offset after the last record read, by partition."""
        return {record.partition: record.offset + 1 for record in self.records}

    def poll(self, *, max_records: int = 500) -> Polled:
        """Poll once, and hold the source to what every poll promises."""
        polled = self.source.poll(timeout_s=0.05, max_records=max_records)
        assert not polled.lost & polled.revoked, "what was lost cannot be handed over"
        assert polled.lost | polled.revoked <= self.owned, "taken what was never reported as ours"
        self.owned -= polled.lost | polled.revoked
        assert not polled.assigned & self.owned, "assigned what is ours already"
        self.owned |= polled.assigned
        assert {record.partition for record in polled.records} <= self.owned, "records of others' partitions"
        assert len(polled.records) <= max_records
        self.polls.append(polled)
        self.records += polled.records
        return polled

    def poll_until(self, condition: Callable[[], object], what: str, *, max_records: int = 500) -> None:
        """Poll, at least once, until the condition holds."""

        def polled() -> bool:
            self.poll(max_records=max_records)
            return bool(condition())

        until(polled, LIMIT_S, what)

    def read(self, count: int, *, max_records: int = 500) -> list[Record]:
        """Read on until `count` more records came."""
        before = len(self.records)
        self.poll_until(lambda: len(self.records) >= before + count, f"{count} more records", max_records=max_records)
        return self.records[before:]

    def own(self, count: int) -> None:
        """Poll until `count` partitions are ours."""
        self.poll_until(lambda: len(self.owned) == count, f"{count} partitions of our own")


def numbered(count: int, *, partitions: int = 1, start: int = 0) -> list[Message]:
    """Messages whose values are their numbers, dealt out to the partitions in turn."""
    return [Message(b"%d" % number, partition=number % partitions) for number in range(start, start + count)]
