"""A broker in memory, for tests of what uses `worker.broker.contract`: no threads, no clock, every event on demand.

It is held to the same suite as the real one (`tests/contract`). Beyond the contract a test may: change who owns
what (`assign`, `evict`), take the broker away (`available = False`), refuse a topic's messages (`refusals`), hold
back acknowledgements and settle them partition by partition (`FakeSink.hold`), make commits fail
(`FakeSource.commit_errors`), and leave gaps in a log (`compact`).
"""

import math
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping

from worker.broker.contract import Headers, Outgoing, Polled, Receipt, Record, TopicPartition
from worker.errors import (
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    DeliveryFailed,
    Fenced,
    TopicMissing,
    WorkerError,
)


class FakeBroker:
    """Topics, their logs, and the consumer groups that read them."""

    def __init__(self) -> None:
        self.available = True
        self.now_ms = 1_700_000_000_000  # what an unset timestamp becomes
        self.refusals: dict[str, WorkerError] = {}  # topic: the error that every message to it meets
        self.committed: dict[str, dict[TopicPartition, int]] = defaultdict(dict)  # by group
        self.transaction_owners: dict[str, FakeTransactionalSink] = {}
        self._logs: dict[TopicPartition, _Log] = {}
        self._max_message_bytes: dict[str, int] = {}
        self._groups: dict[str, _Group] = {}

    def create_topic(self, topic: str, *, partitions: int = 1, max_message_bytes: int = 1_048_588) -> None:
        """Create an empty topic. The size limit holds for key, value and headers together."""
        self._max_message_bytes[topic] = max_message_bytes
        for number in range(partitions):
            self._logs[TopicPartition(topic, number)] = _Log()

    def delete_topic(self, topic: str) -> None:
        """Delete a topic: sources that read it raise at their next poll."""
        del self._max_message_bytes[topic]
        for partition in self.partitions(topic):
            del self._logs[partition]
            for committed in self.committed.values():
                committed.pop(partition, None)

    def partitions(self, topic: str) -> list[TopicPartition]:
        """The partitions of a topic, none where it does not exist."""
        return sorted(partition for partition in self._logs if partition.topic == topic)

    def stored(self, topic: str) -> list[Record]:
        """Every record of a topic, partition by partition."""
        return [record for partition in self.partitions(topic) for record in self._logs[partition].records]

    def end_offset(self, partition: TopicPartition) -> int:
        """The offset that the next record will have."""
        return self._logs[partition].end

    def append(
        self,
        partition: TopicPartition,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> Record:
        """Store one record, as a producer elsewhere would."""
        log = self._logs[partition]
        stamp_ms = self.now_ms if timestamp_ms is None else timestamp_ms
        record = Record(partition, log.end, stamp_ms, key, value, headers)
        log.records.append(record)
        log.end += 1
        return record

    def compact(self, partition: TopicPartition, offsets: Collection[int]) -> None:
        """Remove records; the others keep their offsets."""
        log = self._logs[partition]
        log.records = [record for record in log.records if record.offset not in offsets]

    def delete_records(self, partition: TopicPartition, *, before: int) -> None:
        """Delete the oldest records, as retention does."""
        log = self._logs[partition]
        log.records = [record for record in log.records if record.offset >= before]
        log.begin = before

    def log_of(self, partition: TopicPartition) -> "_Log":
        """The log; another one after its topic was recreated."""
        return self._logs[partition]

    def read(self, partition: TopicPartition, next_offset: int, max_records: int) -> list[Record]:
        """Return stored records from `next_offset` on."""
        return [record for record in self._logs[partition].records if record.offset >= next_offset][:max_records]

    def refusal(self, message: Outgoing) -> WorkerError | None:
        """The error that a message would meet, if any."""
        if message.topic not in self._max_message_bytes:
            return BrokerRefused(f"{message.topic}: no such topic")
        if message.key is None and message.value is None:
            return BrokerRefused(f"a message to {message.topic} has neither key nor value")
        if message.partition is not None and TopicPartition(message.topic, message.partition) not in self._logs:
            return BrokerRefused(f"{message.topic} has no partition {message.partition}")
        headers_bytes = sum(len(name.encode()) + len(value or b"") for name, value in message.headers)
        size_bytes = len(message.key or b"") + len(message.value or b"") + headers_bytes
        if size_bytes > self._max_message_bytes[message.topic]:
            return BrokerRefused(f"a message of {size_bytes} bytes is too large for {message.topic}")
        return self.refusals.get(message.topic)

    def source(self, topic: str, *, group_id: str) -> "FakeSource":
        """A new member of a group; it joins with its first poll."""
        group = self._groups.setdefault(group_id, _Group(self, topic))
        return FakeSource(self, group, self.committed[group_id])

    def sink(self) -> "FakeSink":
        """A new producer."""
        return FakeSink(self)

    def transactional_sink(self, transactional_id: str) -> "FakeTransactionalSink":
        """A new producer of transactions; one that had the id before is fenced."""
        if not self.available:
            raise BrokerUnavailable(f"no answer about {transactional_id}")
        sink = FakeTransactionalSink(self, transactional_id)
        self.transaction_owners[transactional_id] = sink
        return sink

    def assign(self, owner: "FakeSource", partitions: Iterable[TopicPartition]) -> None:
        """Give partitions to a member: others let go of them at their next poll, and it gets them at its own."""
        owner.group.wanted.update(dict.fromkeys(partitions, owner))

    def evict(self, member: "FakeSource") -> None:
        """Throw a member out, as for a missed heartbeat. It notices, and joins again, with its next poll."""
        member.group.remove(member)


class _Log:
    """One partition."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.begin = 0
        self.end = 0


class _Group:
    """Who owns what. Cooperative: a partition changes hands when its owner has let go of it."""

    def __init__(self, broker: FakeBroker, topic: str) -> None:
        self.topic = topic
        self.members: list[FakeSource] = []
        self.owners: dict[TopicPartition, FakeSource] = {}
        self.wanted: dict[TopicPartition, FakeSource] = {}
        self._broker = broker

    def add(self, member: "FakeSource") -> None:
        self.members.append(member)
        self._balance()

    def remove(self, member: "FakeSource") -> None:
        if member in self.members:
            self.members.remove(member)
        self.owners = {partition: owner for partition, owner in self.owners.items() if owner is not member}
        self._balance()

    def _balance(self) -> None:
        """Share the partitions evenly and move as few as possible."""
        partitions = self._broker.partitions(self.topic)
        self.wanted = {}
        fair = -(-len(partitions) // max(1, len(self.members)))
        shares = dict.fromkeys(self.members, 0)
        for partition in partitions:
            owner = self.owners.get(partition)
            if owner is not None and shares.get(owner, fair) < fair:
                self.wanted[partition] = owner
                shares[owner] += 1
        for partition in partitions:
            if partition not in self.wanted and shares:
                owner = min(shares, key=lambda member: shares[member])
                self.wanted[partition] = owner
                shares[owner] += 1


class FakeSource:
    """See worker.broker.contract.Source. Timeouts are not waited for: what would be waited for is not there."""

    def __init__(self, broker: FakeBroker, group: _Group, committed: dict[TopicPartition, int]) -> None:
        self.group = group
        self.commit_errors: deque[WorkerError] = deque()  # each is raised by one commit
        self.rebalancing = False  # set by a test: offsets are refused until the next poll, which reports what moved
        self.paused: set[TopicPartition] = set()
        self.closed = False
        self._broker = broker
        self._committed = committed
        self._leaving: frozenset[TopicPartition] = frozenset()  # handed over with the next poll
        self._positions: dict[TopicPartition, int] = {}  # of what it owns, as reported by `poll`
        self._logs: dict[TopicPartition, _Log] = {}  # where those positions mean something

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:  # noqa: ARG002  # nothing to wait for
        """See Source."""
        self._refuse_if_closed()
        if not self._broker.available:
            return Polled()
        self.rebalancing = False
        if not self._broker.partitions(self.group.topic):
            raise TopicMissing(f"{self.group.topic}: no such topic")
        self._release_leaving()
        lost, self._leaving = self._let_go()
        if self not in self.group.members:
            self.group.add(self)
        skipped = self._skip_deleted()
        records = self._read(max_records)  # of what stays: new partitions are read from the next poll on
        return Polled(records, lost, self._leaving, self._take_over(), skipped)

    @property
    def membership(self) -> object | None:
        """See Source."""
        return None if self.rebalancing else self

    @property
    def silence_s(self) -> float:
        """See Source."""
        return 0.0 if self._broker.available else math.inf

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self.paused |= self._positions.keys() & set(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self.paused -= set(partitions)

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        if self.rebalancing:
            raise AssignmentLost("the group rebalances")
        if self.commit_errors:
            raise self.commit_errors.popleft()
        self._refuse_if_away(timeout_s)
        self.store(next_offsets)

    def store(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Let the group have these offsets, if we are still a member of it."""
        ours = {
            partition: offset
            for partition, offset in next_offsets.items()
            if partition in self._positions or partition in self._leaving
        }
        if ours and self not in self.group.members:
            raise AssignmentLost("the group has moved on without this member")
        self._committed.update(ours)

    def rewind(self, *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._refuse_if_away(timeout_s)
        self._positions = {partition: self._committed.get(partition, 0) for partition in self._positions}

    def lag(self) -> Mapping[TopicPartition, int]:
        """See Source."""
        self._refuse_if_closed()
        return {
            partition: self._broker.end_offset(partition) - next_offset
            for partition, next_offset in self._positions.items()
        }

    def close(self, *, timeout_s: float) -> None:  # noqa: ARG002  # nothing to wait for
        """See Source."""
        if not self.closed:
            self.closed = True
            self.group.remove(self)

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise RuntimeError("this source is closed")

    def _refuse_if_away(self, timeout_s: float) -> None:
        if not self._broker.available:
            raise BrokerUnavailable(f"no answer within {timeout_s:g} s")

    def _let_go(self) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Drop what was taken or recreated, and what the group wants for another member."""
        owners, wanted = self.group.owners, self.group.wanted
        for partition in self._positions:
            if self._broker.log_of(partition) is not self._logs[partition] and owners.get(partition) is self:
                del owners[partition]
        lost = frozenset(partition for partition in self._positions if owners.get(partition) is not self)
        leaving = frozenset(
            partition for partition in self._positions.keys() - lost if wanted.get(partition) is not self
        )
        for partition in lost | leaving:
            del self._positions[partition]
            self.paused.discard(partition)
        return lost, leaving

    def _release_leaving(self) -> None:
        """From now on another may have them."""
        for partition in self._leaving:
            if self.group.owners.get(partition) is self:
                del self.group.owners[partition]

    def _take_over(self) -> frozenset[TopicPartition]:
        """Own what the group gives us and no member holds."""
        new = frozenset(
            partition
            for partition, owner in self.group.wanted.items()
            if owner is self and partition not in self.group.owners
        )
        for partition in new:
            self.group.owners[partition] = self
            self._positions[partition] = self._committed.get(partition, 0)
            self._logs[partition] = self._broker.log_of(partition)
        return new

    def _skip_deleted(self) -> int:
        skipped = 0
        for partition, next_offset in self._positions.items():
            earliest = self._logs[partition].begin
            if next_offset < earliest:
                self._positions[partition] = earliest
                skipped += earliest - next_offset
        return skipped

    def _read(self, max_records: int) -> list[Record]:
        records: list[Record] = []
        for partition in self._positions.keys() - self.paused:
            batch = self._broker.read(partition, self._positions[partition], max_records - len(records))
            if batch:
                self._positions[partition] = batch[-1].offset + 1
                records += batch
        return records


ANOTHER_FAILED = DeliveryFailed("not sent: another message failed before it")


class FakeReceipt:
    """See worker.broker.contract.Receipt."""

    def __init__(self, message: Outgoing) -> None:
        self.message = message
        self.done = False
        self.error: WorkerError | None = None

    def settle(self, error: WorkerError | None = None) -> None:
        """Set the outcome."""
        self.error = error
        self.done = True


class FakeSink:
    """See worker.broker.contract.Sink. Messages are stored as they are sent, unless held back."""

    def __init__(self, broker: FakeBroker) -> None:
        self.hold = False  # while set, messages wait in `held` for `settle_oldest`
        self.held: dict[TopicPartition, deque[FakeReceipt]] = defaultdict(deque)
        self.closed = False
        self._broker = broker
        self._turn = 0
        self._ended = False  # a message failed: no more is stored until a flush

    def send(self, message: Outgoing) -> Receipt:
        """See Sink."""
        self._refuse_if_closed()
        receipt = FakeReceipt(message)
        refusal = self._broker.refusal(message) or (ANOTHER_FAILED if self._ended else None)
        if refusal is not None:
            self._ended = True
            receipt.settle(refusal)
            return receipt
        partition = self._partition_of(message)
        self.held[partition].append(receipt)
        if not self.hold:
            self.settle_all()
        return receipt

    def flush(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """See Sink."""
        self._refuse_if_closed()
        if not self.hold:
            self.settle_all()
        if any(self.held.values()):
            raise BrokerUnavailable(f"messages without an answer after {0 if hurried() else timeout_s:g} s")
        self._ended = False

    def settle_oldest(self, partition: TopicPartition, error: WorkerError | None = None) -> None:
        """Store the oldest message held back for a partition, or let it meet `error`."""
        receipt = self.held[partition].popleft()
        if error is None:
            self._append(partition, receipt.message)
        self._settle(receipt, error)

    def _settle(self, receipt: FakeReceipt, error: WorkerError | None) -> None:
        self._ended = self._ended or error is not None
        receipt.settle(error)

    def _append(self, partition: TopicPartition, message: Outgoing) -> None:
        self._broker.append(
            partition,
            message.value,
            key=message.key,
            headers=tuple((name, value or b"") for name, value in message.headers),
            timestamp_ms=message.timestamp_ms,
        )

    def partition_count(self, topic: str) -> int:
        """See Sink."""
        self._refuse_if_closed()
        if not self._broker.available:
            raise BrokerUnavailable(f"no answer about {topic}")
        count = len(self._broker.partitions(topic))
        if not count:
            raise TopicMissing(f"{topic}: no such topic")
        return count

    def close(self, *, timeout_s: float) -> None:  # noqa: ARG002  # nothing to wait for
        """See Sink."""
        if self.closed:
            return
        if not self.hold:
            self.settle_all()
        self.closed = True
        for receipts in self.held.values():
            for receipt in receipts:
                receipt.settle(DeliveryFailed("the producer was closed before the message was stored"))
            receipts.clear()

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise RuntimeError("the sink is closed")

    def settle_all(self) -> None:
        """Acknowledge all that is held back, if the broker is there."""
        if self._broker.available:
            for partition, receipts in self.held.items():
                while receipts:
                    self.settle_oldest(partition, ANOTHER_FAILED if self._ended else None)

    def _partition_of(self, message: Outgoing) -> TopicPartition:
        count = len(self._broker.partitions(message.topic))
        if message.partition is not None:
            return TopicPartition(message.topic, message.partition)
        if message.key is not None:
            return TopicPartition(message.topic, zlib.crc32(message.key) % count)  # not Kafka's hash, but as steady
        self._turn += 1
        return TopicPartition(message.topic, self._turn % count)


class FakeTransactionalSink(FakeSink):
    """See worker.broker.contract.TransactionalSink. What is sent is acknowledged at once and stored by `commit`.

    A test may let the next commit fail (`commit_error`), before or after it has stored (`stores_all_the_same`).
    """

    def __init__(self, broker: FakeBroker, transactional_id: str) -> None:
        super().__init__(broker)
        self.commit_error: WorkerError | None = None
        self.stores_all_the_same = False
        self._id = transactional_id
        self._open = False
        self._sent: list[tuple[TopicPartition, Outgoing]] = []

    def begin(self) -> None:
        """See TransactionalSink."""
        self._refuse_if_closed()
        assert not self._open, "a transaction is open already"
        self._open = True

    def send(self, message: Outgoing) -> Receipt:
        """See Sink."""
        assert self._open, "sent outside of a transaction"
        return super().send(message)

    def settle_oldest(self, partition: TopicPartition, error: WorkerError | None = None) -> None:
        """Acknowledge the oldest message held back for a partition, or let it meet `error`."""
        receipt = self.held[partition].popleft()
        self._sent.append((partition, receipt.message))
        self._settle(receipt, error)

    def commit(self, next_offsets: Mapping[TopicPartition, int], membership: object, *, timeout_s: float) -> None:  # noqa: ARG002  # nothing to wait for
        """See TransactionalSink."""
        self._refuse_if_closed()
        assert self._open, "committed outside of a transaction"
        assert not any(self.held.values()), "committed before every receipt was done"
        assert isinstance(membership, FakeSource)
        if self._broker.transaction_owners[self._id] is not self:
            raise Fenced(f"{self._id} belongs to another")
        if self.commit_error is not None and not self.stores_all_the_same:
            raise self.commit_error
        membership.store(next_offsets)
        self._store()
        if self.commit_error is not None:
            raise self.commit_error

    def _store(self) -> None:
        self._open = False
        sent, self._sent = self._sent, []
        for partition, message in sent:
            self._append(partition, message)
