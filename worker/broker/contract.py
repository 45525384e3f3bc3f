"""What the worker needs of a broker: a `Source` to read from and a `Sink` to write to.

`offset` is that of a record; `next_offset` is what is committed (last finished + 1), as Kafka counts it.
Each protocol has two real implementations (`worker.broker.kafka_python`, `worker.broker.confluent`) and a fake
(`tests/fakes`), held to one contract suite.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from worker.errors import WorkerError

Headers = tuple[tuple[str, bytes | None], ...]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One message as it was read. A named tuple is created in a fifth of the time of a frozen dataclass."""

    partition: TopicPartition
    offset: int
    timestamp_ms: int | None  # as the topic stamps it: creation or log-append time, epoch milliseconds
    key: bytes | None
    value: bytes | None  # None is a tombstone
    headers: Headers = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of key, value and headers: what holding this record costs."""
        size_bytes = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size_bytes += len(name) + len(value or b"")
        return size_bytes


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll returned. Apply `lost` first and `records` last."""

    records: Sequence[Record] = ()  # ascending offsets within a partition; only of partitions owned now
    lost: frozenset[TopicPartition] = frozenset()  # taken away: other members may read them already
    revoked: frozenset[TopicPartition] = frozenset()  # handed over: no other member reads them before the next poll
    assigned: frozenset[TopicPartition] = frozenset()  # new to us, reading from the committed offset
    skipped: int = 0  # records that were deleted from the topic before they were read


class Source(Protocol):
    """A member of a consumer group. Use it from one thread; every call but `poll` should be short."""

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """Wait up to `timeout_s` for records; return at once when there are some or the assignment changed.

        A partition that was taken and came back within one poll is in `lost` and in `assigned`, and reads on from its
        committed offset. So is one whose topic was deleted and recreated, but it reads from its beginning. While the
        broker is away, polls return nothing. Raises Fatal where no retry can help (access denied, topic deleted).
        """
        ...

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Stop fetching these; polls still keep the membership. Partitions that are not ours are ignored."""
        ...

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch these again; partitions that are not ours are ignored."""
        ...

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """Store the offsets for the group and return when the broker has them.

        Partitions that the last poll reported as `revoked` are still ours here; others that are not ours are ignored.
        Raises AssignmentLost when a rebalance came first: nothing was stored. Poll, and drop what was revoked.
        Raises BrokerUnavailable when it is unknown whether they were stored: commit the same or later ones again.
        """
        ...

    @property
    def membership(self) -> object | None:
        """Proof of our membership, as of the last poll, for `TransactionalSink.commit`.

        None while the group rebalances, because offsets would be refused.
        """
        ...

    @property
    def silence_s(self) -> float:
        """Seconds since a broker last sent anything. A broker that is there answers every few seconds."""
        ...

    def rewind(self, *, timeout_s: float) -> None:
        """Read every owned partition again from its committed offset. Raises BrokerUnavailable."""
        ...

    def lag(self) -> Mapping[TopicPartition, int]:
        """Records between what was read and the end of each owned partition, where the end is known."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Leave the group (a static member stays until its session ends). Idempotent; later calls raise."""
        ...


class Outgoing(NamedTuple):
    """One message to write."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None  # None: by the hash of the key, as Kafka's default partitioner does
    timestamp_ms: int | None = None  # None: now


class Receipt(Protocol):
    """The outcome of one `Outgoing`. Subscription it never blocks."""

    @property
    def done(self) -> bool:
        """Whether the outcome is known."""
        ...

    @property
    def error(self) -> WorkerError | None:
        """None while not done and once the broker has stored the message.

        Else DeliveryFailed (sending again may help), AccessDenied or BrokerRefused (it will not).
        """
        ...


class Sink(Protocol):
    """Writes messages, many in flight. Use it from one thread.

    Messages of one partition are stored in the order sent, each at most once per `send` (idempotent producer,
    acknowledged by all in-sync replicas). After one that failed, none is stored until `flush` was called, because later
    messages must not be stored before it.
    """

    def send(self, message: Outgoing) -> Receipt:
        """Hand over one message without waiting for the broker; the receipt holds a refusal."""
        ...

    def flush(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """Wait until every receipt is done.

        Raises BrokerUnavailable when some are not by then, or soon after `hurried` returns True.
        """
        ...

    def partition_count(self, topic: str) -> int:
        """How many partitions `topic` has. Raises TopicMissing, AccessDenied, BrokerUnavailable."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Send what is buffered, for at most `timeout_s`, and close; receipts that are left fail. Idempotent."""
        ...


class TransactionalSink(Sink, Protocol):
    """A sink whose messages become readable together with the offsets of the records they come from, or not at all.

    Opening one aborts the transaction that an earlier one of the same transactional id left open, and fences that one.
    An open transaction cannot be aborted by itself: close the sink and open another.
    """

    def begin(self) -> None:
        """Begin a transaction: every `send` until `commit` belongs to it."""
        ...

    def commit(self, next_offsets: Mapping[TopicPartition, int], membership: object, *, timeout_s: float) -> None:
        """Store what was sent since `begin` and the offsets of the group as one. Every receipt must be without error.

        After an error the sink cannot be used any more. Raises AssignmentLost (the membership is over; nothing was
        stored), Fenced, AccessDenied, BrokerRefused, DeliveryFailed; and BrokerUnavailable when it is unknown whether
        they were stored: the committed offsets show it.
        """
        ...
