"""What the worker needs of a broker: a `Source` to read from and a `Sink` to write to.

`offset` is what was read; `next_offset` is what is committed (last finished + 1), as Kafka counts it.
Both protocols have two real implementations (`worker.broker.kafka_python`, `worker.broker.confluent`) and a fake
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
    """One message as it was read. A named tuple is made in a fifth of the time of a frozen dataclass."""

    partition: TopicPartition
    offset: int
    timestamp_ms: int | None  # as the topic stamps it: creation or log-append time, epoch milliseconds
    key: bytes | None
    value: bytes | None  # None is a tombstone
    headers: Headers = ()

    @property
    def size_bytes(self) -> int:
        """What holding this record costs."""
        size_bytes = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size_bytes += len(name) + len(value or b"")
        return size_bytes


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought. Apply `lost` first and `records` last."""

    records: Sequence[Record] = ()  # ascending offsets within a partition; only of partitions owned now
    lost: frozenset[TopicPartition] = frozenset()  # taken by force: others may read them already
    revoked: frozenset[TopicPartition] = frozenset()  # handed over: nobody else reads them before the next poll
    assigned: frozenset[TopicPartition] = frozenset()  # new to us, reading from the committed offset
    skipped: int = 0  # records that were deleted from the topic before they were read


class Source(Protocol):
    """A member of a consumer group. Use from one thread; every call but `poll` is expected to be short."""

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """Wait up to `timeout_s` for records; return at once when there are some or the assignment changed.

        A partition that was taken and came back within one poll stands in `lost` and in `assigned` and reads on
        from its committed offset; so does, from its beginning, one whose topic was deleted and made anew. A broker
        that is away is waited for: the poll returns empty.
        Raises Fatal where no retry can help (access denied, topic deleted).
        """
        ...

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Stop fetching these; polling goes on and keeps the membership. What is not ours is ignored."""
        ...

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch these again; partitions that are not ours are ignored."""
        ...

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """Store the offsets for the group and return when the broker has them.

        Partitions that the last poll told to be `revoked` are still ours here; others that are not are left out.
        Raises AssignmentLost: a rebalance came first; nothing was stored. Poll, and drop what was revoked.
        Raises BrokerUnavailable: not known whether stored; committing the same or more again is safe.
        """
        ...

    @property
    def membership(self) -> object | None:
        """Proof that we are a member, as of the last poll, for `TransactionalSink.commit`.

        None while the group rebalances: offsets would be refused.
        """
        ...

    @property
    def silence_s(self) -> float:
        """How long no broker has said anything. While one is there, a member hears from it every few seconds."""
        ...

    def rewind(self, *, timeout_s: float) -> None:
        """Read every owned partition again from its committed offset. Raises BrokerUnavailable."""
        ...

    def lag(self) -> Mapping[TopicPartition, int]:
        """Records between what was read and the end of each owned partition, as far as fetches have told."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Leave the group (a static member stays until its session ends). Idempotent; later calls raise."""
        ...


class Outgoing(NamedTuple):
    """One message to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None  # None: by the hash of the key, as Kafka's default partitioner does
    timestamp_ms: int | None = None  # None: now


class Receipt(Protocol):
    """The fate of one `Outgoing`. Reading it never blocks."""

    @property
    def done(self) -> bool:
        """Whether the fate is known."""
        ...

    @property
    def error(self) -> WorkerError | None:
        """None while not done and once the broker has stored the message.

        Else DeliveryFailed (sending again may help), AccessDenied or BrokerRefused (it will not).
        """
        ...


class Sink(Protocol):
    """Writes messages, many in flight. Use from one thread.

    Messages of one partition are stored in the order sent, each at most once per `send` (idempotent producer,
    acknowledged by all in-sync replicas). After one that failed, none is stored until `flush` was called: what comes
    later must not get in before it.
    """

    def send(self, message: Outgoing) -> Receipt:
        """Hand over one message without waiting for the broker; refusals are told by the receipt."""
        ...

    def flush(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """Wait until every receipt is done.

        Raises BrokerUnavailable when some are not by then, or soon after it became `hurried`.
        """
        ...

    def partition_count(self, topic: str) -> int:
        """How many partitions `topic` has. Raises TopicMissing, AccessDenied, BrokerUnavailable."""
        ...

    def close(self, *, timeout_s: float) -> None:
        """Send what is buffered, for at most `timeout_s`, and let go; receipts tell the rest. Idempotent."""
        ...


class TransactionalSink(Sink, Protocol):
    """A sink whose messages become readable together with the offsets that they finish, or not at all.

    Opening one ends whatever an earlier one of the same transactional id has left open, and stops that one.
    An open transaction cannot be taken back by itself: close the sink and open another.
    """

    def begin(self) -> None:
        """Open a transaction: every `send` from here to `commit` belongs to it."""
        ...

    def commit(self, next_offsets: Mapping[TopicPartition, int], membership: object, *, timeout_s: float) -> None:
        """Store what was sent since `begin` and the offsets of the group as one. Every receipt must be done and good.

        After an error the sink is of no more use. Raises AssignmentLost (the membership is over; nothing was stored),
        Fenced, AccessDenied, BrokerRefused, DeliveryFailed; and BrokerUnavailable: not known whether stored, the
        committed offsets will tell.
        """
        ...
