"""A member of a consumer group, on kafka-python.

Callbacks of a rebalance run on the library's I/O thread and only take notes; `poll` acts on them. A member that the
group throws out while it joins keeps its partitions and positions without any callback, though another member may
have had them meanwhile: its new member id gives that away, and it starts again from the committed offsets.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError, TopicAuthorizationFailedError
from kafka.structs import MemberState

from worker.broker.connection import Connection, open_client, raise_refusal
from worker.broker.contract import Polled, Record, TopicPartition
from worker.broker.kafka_python.errors import to_read, translate, translated
from worker.broker.kafka_python.repairs import ask_anew, before_poll, keep_joins, read_any_header_name, watch_resets
from worker.errors import AssignmentLost, BrokerUnavailable, TopicMissing, WorkerError

log = logging.getLogger(__name__)

_SLICE_S: Final = 0.1  # how late a poll without records may notice that the assignment changed
_METADATA_S: Final = 1.0  # where the topic is missing, or the broker leaves just now, this is all that is lost
_PLACE_S: Final = 1.0  # for committed offsets after a rebalance; partitions left over wait for the next poll
_GONE_S: Final = 5.0  # for so long the cluster must deny the topic before we believe it
_WARN_EVERY_S: Final = 10.0
_ASK_EVERY_S: Final = 1.0
_METADATA_MAX_AGE_MS: Final = (
    10_000  # how late new partitions may be seen, or a topic that was made anew; default 300 s
)
_ANSWER_S: Final = 0.2


class _Note(NamedTuple):
    """One callback of a rebalance."""

    event: str  # "assigned", "revoked" or "lost"
    partitions: frozenset[TopicPartition]


class _Notes(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """What the group gave and took, in order. Written on the I/O thread, read by `poll`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: list[_Note] = []
        self.handing_over = False  # from a revocation until the poll after the one that told it

    @property
    def any(self) -> bool:  # not __bool__: the library takes a false listener for none
        return bool(self._notes)

    def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        self._note("assigned", assigned)

    def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        self.handing_over = True
        self._note("revoked", revoked)

    def on_partitions_lost(self, lost: Iterable[KafkaPartition]) -> None:
        self._note("lost", lost)

    def take(self) -> list[_Note]:
        """Return the notes since the last call."""
        with self._lock:
            notes, self._notes = self._notes, []
        return notes

    def _note(self, event: str, partitions: Iterable[KafkaPartition]) -> None:
        with self._lock:
            self._notes.append(_Note(event, frozenset(TopicPartition(*partition) for partition in partitions)))


def _records(batches: Mapping[KafkaPartition, list[Any]], owned: Collection[TopicPartition]) -> list[Record]:
    """Translate what was fetched; partitions that are not owned are dropped."""
    records: list[Record] = []
    for kafka_partition, batch in batches.items():
        partition = TopicPartition(*kafka_partition)
        if partition in owned:
            records += [
                Record(
                    partition,
                    raw.offset,
                    raw.timestamp if raw.timestamp >= 0 else None,
                    raw.key,
                    raw.value,
                    tuple(raw.headers),
                )
                for raw in batch
            ]
    return records


class KafkaSource:
    """Reads `topic` as a member of `group_id`; see `worker.broker.contract.Source` for the contract.

    A poll without news costs 0.5 ms of processor time at a timeout of 0 and 1.3 ms at any other, and wakes 1 ms
    after a record is stored: poll long while idle rather than often. Fetching goes on between polls.
    kafka-python's own log is best kept at CRITICAL: what matters arrives here as an error, its ERROR lines
    repeat ten times a second while a topic is missing, and its DEBUG lines show keys, values and
    passwords.
    Raises BrokerUnreachable, AccessDenied or SettingsRejected when opened.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        topic: str,
        group_id: str,
        group_instance_id: str | None = None,
        session_timeout_ms: int = 45_000,
        max_poll_interval_ms: int = 300_000,
        fetch_max_bytes: int = 16 * 1024 * 1024,
        partition_fetch_max_bytes: int = 1024 * 1024,
    ) -> None:
        """Connect; the first polls join the group.

        `fetch_max_bytes` is what may wait in memory behind the records handed out, per broker. A message larger
        than either limit is still fetched, alone.
        """
        self._topic = topic
        self._group_id = group_id
        self._needs = to_read(topic, group_id)
        self._notes = _Notes()
        self._owned: set[TopicPartition] = set()  # as told by `poll`
        self._arriving: set[TopicPartition] = set()  # ours, but not yet at the committed offset: not told
        self._from_beginning: set[TopicPartition] = set()  # of those arriving: they have no committed offset to trust
        self._given_up: dict[KafkaPartition, int] = {}  # where reading should have gone on, and could not
        self._topic_id: object | None = None
        self._leaving: frozenset[TopicPartition] = frozenset()  # handed over with the next poll
        self._membership: Any = None  # as of the last poll that found the group at rest
        self._ends: dict[KafkaPartition, int] = {}  # of paused partitions
        self._ask_at_s = 0.0
        self._denied_since_s: float | None = None
        self._warn_at_s = 0.0
        self._closed = False
        self._consumer, self._network = open_client(
            KafkaConsumer,
            connection,
            group_id=group_id,
            group_instance_id=group_instance_id,
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=min(3_000, session_timeout_ms // 3),
            max_poll_interval_ms=max_poll_interval_ms,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            # A fetch in flight is not amended: a resumed partition waits for it to return.
            fetch_max_wait_ms=100,
            fetch_max_bytes=fetch_max_bytes,
            max_partition_fetch_bytes=partition_fetch_max_bytes,
            metadata_max_age_ms=_METADATA_MAX_AGE_MS,
            metrics_enabled=False,  # its own, which nobody reads
        )
        read_any_header_name()
        keep_joins(self._consumer, lambda: self._notes.handing_over)
        watch_resets(self._consumer, self._given_up.__setitem__)
        self._consumer.subscribe([topic], listener=self._notes)
        self._await_metadata()

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """See Source."""
        self._refuse_if_closed()
        raise_refusal(self._network, f"reading {self._topic}")
        if not self._notes.any:  # what was revoked was told by the last poll
            self._notes.handing_over = False
        batches = self._fetch(timeout_s, max_records)
        self._notice_new_topic()
        lost, revoked = self._changes()
        # Before anything is placed: what came from partitions that changed hands just now may stem from their
        # old position, and is fetched again.
        records = _records(batches, self._owned)
        assigned = self._place_arriving()
        if not self._owned:
            self._refuse_if_topic_gone()
        return Polled(records, lost, revoked, assigned, self._skipped())

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._consumer.pause(*self._ours(partitions))

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """See Source. Takes effect within 0.1 s, when the fetch in flight is over."""
        self._refuse_if_closed()
        self._consumer.resume(*self._ours(partitions))

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        offsets = {
            KafkaPartition(*partition): OffsetAndMetadata(next_offset, "", -1)
            for partition, next_offset in next_offsets.items()
            if partition in self._owned or partition in self._leaving
        }
        with translated(f"committing offsets of group {self._group_id}", needs=self._needs):
            self._consumer.commit(offsets, timeout_ms=timeout_s * 1000)

    @property
    def membership(self) -> object | None:
        """See Source."""
        return self._membership if self._consumer.group_metadata() == self._membership else None

    @property
    def silence_s(self) -> float:
        """See Source. A heartbeat is answered every 3 s at the latest, a fetch several times a second."""
        return time.monotonic() - self._network.heard_s

    def rewind(self, *, timeout_s: float) -> None:
        """See Source. When it raises, some partitions may be back already: call again."""
        self._refuse_if_closed()
        deadline_s = time.monotonic() + timeout_s
        for partition in sorted(self._owned):
            self._seek_committed(partition, deadline_s)

    def lag(self) -> Mapping[TopicPartition, int]:
        """See Source. Fetches tell the end of a partition; where none does, the broker is asked once a second."""
        self._refuse_if_closed()
        self._ask_for_ends()
        lags = {}
        for partition in self._ours(self._owned):
            end = self._ends.get(partition, self._consumer.highwater(partition))
            try:
                next_offset = self._consumer.position(partition, timeout_ms=0)
            except KafkaError:  # no position yet, or an error that the next poll reports
                continue
            if end is not None and next_offset is not None:
                lags[TopicPartition(*partition)] = max(0, end - next_offset)
        return lags

    def _ask_for_ends(self) -> None:
        """Look up where partitions end that no fetch tells of; while the broker does not tell, the last answer stands.

        What is paused is not fetched, and the end of an empty partition is told only once: before a seek, perhaps.
        """
        paused = self._consumer.paused()
        untold = {p for p in self._ours(self._owned) if p in paused or self._consumer.highwater(p) is None}
        self._ends = {partition: end for partition, end in self._ends.items() if partition in untold}
        now_s = time.monotonic()
        if untold and now_s >= self._ask_at_s:
            self._ask_at_s = now_s + _ASK_EVERY_S
            with contextlib.suppress(KafkaError):
                self._ends = self._consumer.end_offsets(list(untold), timeout_ms=_ANSWER_S * 1000)

    def close(self, *, timeout_s: float) -> None:
        """See Source."""
        if self._closed:
            return
        self._closed = True
        self._notes.handing_over = False
        try:
            with translated(f"leaving group {self._group_id}"):
                self._consumer.close(autocommit=False, timeout_ms=timeout_s * 1000)
        except WorkerError as exc:
            log.warning("%s; the group will notice when the session ends", exc)
        finally:
            self._network.close()

    def _await_metadata(self) -> None:
        """A leader that does not know the topic yet would deal out nothing, and then rebalance at once."""
        deadline_s = time.monotonic() + _METADATA_S
        while self._network.cluster.partitions_for_topic(self._topic) is None and time.monotonic() < deadline_s:
            time.sleep(0.01)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError(f"the source of {self._topic} is closed")

    def _ours(self, partitions: Iterable[TopicPartition]) -> list[KafkaPartition]:
        """Those of them that we own, as kafka-python wants them."""
        return [KafkaPartition(*partition) for partition in partitions if partition in self._owned]

    def _fetch(self, timeout_s: float, max_records: int) -> Mapping[KafkaPartition, list[Any]]:
        """Poll until there is news or the time is over: in slices, since the library returns for records alone."""
        deadline_s = time.monotonic() + timeout_s
        left_s = timeout_s
        while True:
            before_poll(self._consumer)
            batches = self._poll_once(min(left_s, _SLICE_S), max_records)
            left_s = deadline_s - time.monotonic()
            if batches or self._notes.any or left_s <= 0:
                return batches

    def _poll_once(self, timeout_s: float, max_records: int) -> Mapping[KafkaPartition, list[Any]]:
        try:
            with translated(f"reading {self._topic} as group {self._group_id}", needs=self._needs):
                batches: Mapping[KafkaPartition, list[Any]] = self._consumer.poll(
                    timeout_ms=timeout_s * 1000, max_records=max_records
                )
        except (BrokerUnavailable, AssignmentLost) as exc:
            self._warn(exc)
            time.sleep(timeout_s)  # the library raised instead of waiting
            return {}
        return batches

    def _changes(self) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Act on the notes of rebalances; return what was taken from us and what is handed over."""
        before = frozenset(self._owned)
        lost: set[TopicPartition] = set()
        # Before the notes: what happens in between makes the membership look older than it is, never newer.
        member = self._consumer.group_metadata()
        for event, partitions in self._notes.take():
            self._owned -= partitions
            if event == "assigned":
                self._arriving |= partitions
            else:
                self._arriving -= partitions
            if event == "lost":
                lost |= partitions
                log.warning(
                    "group %s took %d partitions away: no heartbeat reached the broker for session_timeout_ms, or no "
                    "poll came for max_poll_interval_ms",
                    self._group_id,
                    len(partitions),
                )
        self._arriving |= self._from_beginning
        self._owned -= self._from_beginning
        if member.state == MemberState.STABLE:
            if self._membership is None or member.member_id != self._membership.member_id:
                self._arriving |= self._owned
                self._owned.clear()
            self._membership = member
        gone = before - self._owned
        self._leaving = gone - lost - self._arriving
        return gone - self._leaving, self._leaving

    def _place_arriving(self) -> frozenset[TopicPartition]:
        """Put new partitions at their committed offset; those that cannot be put yet stay unannounced."""
        placed = set()
        deadline_s = time.monotonic() + _PLACE_S
        for partition in sorted(self._arriving):
            try:
                self._place(partition, deadline_s)
            except BrokerUnavailable as exc:
                self._warn(exc)
                break
            self._consumer.resume(KafkaPartition(*partition))  # pause flags can outlive an assignment
            placed.add(partition)
        self._arriving -= placed
        self._from_beginning -= placed
        self._owned |= placed
        return frozenset(placed)

    def _place(self, partition: TopicPartition, deadline_s: float) -> None:
        if partition in self._from_beginning:
            self._consumer.seek_to_beginning(KafkaPartition(*partition))
        else:
            self._seek_committed(partition, deadline_s)

    def _seek_committed(self, partition: TopicPartition, deadline_s: float) -> None:
        kafka_partition = KafkaPartition(*partition)
        timeout_ms = 1000 * max(0.0, deadline_s - time.monotonic())
        what = f"looking up the committed offset of {partition.topic}-{partition.partition}"
        ask_anew(self._consumer)
        with translated(what, needs=self._needs):
            next_offset = self._consumer.committed(kafka_partition, timeout_ms=timeout_ms)
        if next_offset is None:
            self._consumer.seek_to_beginning(kafka_partition)
        else:
            self._consumer.seek(kafka_partition, next_offset)

    def _notice_new_topic(self) -> None:
        """Another topic of the same name: offsets mean nothing in it, and those that we committed may be in the way."""
        topic_id = self._network.cluster.topic_id(self._topic)
        if topic_id is not None and topic_id != self._topic_id:
            if self._topic_id is not None:
                log.warning("topic %s was deleted and made anew: it is read from its beginning", self._topic)
                self._from_beginning |= self._owned | self._arriving
            self._topic_id = topic_id

    def _skipped(self) -> int:
        """How many records were deleted before they were read, of partitions that this has just befallen."""
        skipped = 0
        for partition, next_offset in list(self._given_up.items()):
            try:
                with translated(f"looking up the beginning of {partition.topic}-{partition.partition}"):
                    earliest = self._consumer.beginning_offsets([partition], timeout_ms=_ANSWER_S * 1000)[partition]
            except (BrokerUnavailable, TopicMissing) as exc:  # or it is being made anew
                self._warn(exc)
                continue
            del self._given_up[partition]
            if earliest > next_offset:
                skipped += earliest - next_offset
                log.warning(
                    "records %d to %d of %s-%d were deleted before they were read: the topic keeps them too short a "
                    "time, or the worker is too far behind",
                    next_offset,
                    earliest - 1,
                    partition.topic,
                    partition.partition,
                )
        return skipped

    def _refuse_if_topic_gone(self) -> None:
        """A member may own nothing because others own all, but not because there is nothing to own."""
        cluster = self._network.cluster  # what the last answer said: it stands while the broker is away
        if cluster.partitions_for_topic(self._topic) is not None:
            self._denied_since_s = None
            return
        now_s = time.monotonic()
        if self._denied_since_s is None:
            self._denied_since_s = now_s
        if now_s - self._denied_since_s < _GONE_S:
            return
        if self._topic in cluster.unauthorized_topics:
            raise translate(TopicAuthorizationFailedError(), f"reading {self._topic}", needs=self._needs)
        raise TopicMissing(f"topic {self._topic} does not exist (any more). Create it and start the worker again")

    def _warn(self, exc: WorkerError) -> None:
        """Log at most one line in a while: a broker that is away fails every poll."""
        now_s = time.monotonic()
        if now_s >= self._warn_at_s:
            self._warn_at_s = now_s + _WARN_EVERY_S
            log.warning("%s", exc)
