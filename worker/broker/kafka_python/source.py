"""A member of a consumer group, on kafka-python."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from kafka import KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import TopicAuthorizationFailedError

from worker.broker import reading
from worker.broker.connection import Connection
from worker.broker.contract import Polled, Record, TopicPartition
from worker.broker.deadline import Deadline
from worker.broker.kafka_python.assignment import Assignment
from worker.broker.kafka_python.client import open_client, raise_refusal
from worker.broker.kafka_python.errors import translate, translated
from worker.broker.kafka_python.positions import Positions
from worker.broker.kafka_python.repairs import before_poll, keep_joins, read_any_header_name
from worker.broker.ownership import Ownership
from worker.errors import AssignmentLost, BrokerUnavailable, WorkerError

log = logging.getLogger(__name__)

_METADATA_S: Final = 1.0  # all that is lost where the topic is missing, or the broker leaves just now


class KafkaSource:
    """Reads a topic as a member of a group; see `worker.broker.contract.Source` for the contract.

    A poll without news takes 0.5 ms of processor time at a timeout of 0 and 1.3 ms at any other, and returns 1 ms
    after a record is stored: poll long while idle rather than often. Fetching goes on between polls.
    Keep kafka-python's own log at CRITICAL: what matters arrives here as an error, its ERROR lines repeat ten times a
    second while a topic is missing, and its DEBUG lines show keys, values and passwords.
    """

    def __init__(self, connection: Connection, **subscription: Any) -> None:
        """Connect, with the fields of `Subscription`; the first polls join the group.

        Raises BrokerUnreachable, AccessDenied or SettingsRejected.
        """
        self._subscription = reading.Subscription(**subscription)
        self._topic = self._subscription.topic
        self._ownership = Ownership[TopicPartition](self._subscription.group_id)
        self._assignment = Assignment(self._ownership)
        self._absence = reading.TopicAbsence()
        self._closed = False
        self._consumer, self._network = open_client(KafkaConsumer, connection, **_settings(self._subscription))
        read_any_header_name()
        keep_joins(self._consumer, lambda: self._assignment.handing_over)
        self._positions = Positions(self._consumer, self._network, self._subscription)
        self._consumer.subscribe([self._topic], listener=self._assignment)
        self._await_metadata()

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """See Source."""
        self._refuse_if_closed()
        raise_refusal(self._network, f"reading {self._topic}")
        if not self._assignment.has_notes:  # the last poll reported what was revoked
            self._assignment.handing_over = False
        batches = self._fetch(timeout_s, max_records)
        self._positions.restart_if_recreated(self._ownership)
        lost, revoked = self._assignment.changes(self._consumer.group_metadata())
        # Before new partitions are placed: what came from one that just changed hands may stem from its old position,
        # and is fetched again.
        owned = self._ownership.owned
        records = to_records({partition: batch for partition, batch in batches.items() if partition in owned})
        assigned = self._positions.place(self._ownership.arriving)
        self._ownership.report_arrived(assigned)
        if not owned:
            self._refuse_if_topic_gone()
        return Polled(records, lost, revoked, assigned, self._positions.skipped())

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._consumer.pause(*self._owned(partitions))

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """See Source. Takes effect within 0.1 s, when the fetch in flight is over."""
        self._refuse_if_closed()
        self._consumer.resume(*self._owned(partitions))

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        offsets = {
            KafkaPartition(*partition): OffsetAndMetadata(next_offset, "", -1)
            for partition, next_offset in next_offsets.items()
            if partition in self._ownership.owned or partition in self._assignment.leaving
        }
        with translated(self._subscription.committing, needs=self._subscription.needs):
            self._consumer.commit(offsets, timeout_ms=timeout_s * 1000)

    @property
    def membership(self) -> object | None:
        """See Source."""
        membership = self._assignment.membership
        return membership if self._consumer.group_metadata() == membership else None

    @property
    def silence_s(self) -> float:
        """See Source. A heartbeat is answered every 3 s at the latest, a fetch several times a second."""
        return time.monotonic() - self._network.contact.received_s

    def rewind(self, *, timeout_s: float) -> None:
        """See Source. When it raises, some partitions may be back already: call again."""
        self._refuse_if_closed()
        self._positions.go_to_committed(self._ownership.owned, timeout_s=timeout_s)

    def lag(self) -> Mapping[TopicPartition, int]:
        """See Source."""
        self._refuse_if_closed()
        return self._positions.lag(self._owned(self._ownership.owned))

    def close(self, *, timeout_s: float) -> None:
        """See Source."""
        if self._closed:
            return
        self._closed = True
        self._assignment.handing_over = False
        try:
            with translated(f"leaving group {self._subscription.group_id}"):
                self._consumer.close(autocommit=False, timeout_ms=timeout_s * 1000)
        except WorkerError as exc:
            log.warning("%s; the group will notice when the session ends", exc)
        finally:
            self._network.close()

    def _await_metadata(self) -> None:
        """A leader that does not know the topic yet would assign nothing, and then rebalance at once."""
        deadline = Deadline(_METADATA_S)
        while self._network.cluster.partitions_for_topic(self._topic) is None and not deadline.over:
            time.sleep(0.01)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError(f"the source of {self._topic} is closed")

    def _owned(self, partitions: Iterable[TopicPartition]) -> list[KafkaPartition]:
        """Those of them that we own, in the library's type."""
        return [KafkaPartition(*partition) for partition in partitions if partition in self._ownership.owned]

    def _fetch(self, timeout_s: float, max_records: int) -> Mapping[KafkaPartition, list[Any]]:
        """Poll until there is news or the time is over: in slices, because the library returns for records alone."""
        deadline = Deadline(timeout_s)
        while True:
            before_poll(self._consumer)
            batches = self._poll_once(min(deadline.left_s, reading.SLICE_S), max_records)
            if batches or self._assignment.has_notes or deadline.over:
                return batches

    def _poll_once(self, timeout_s: float, max_records: int) -> Mapping[KafkaPartition, list[Any]]:
        try:
            with translated(self._subscription.reading, needs=self._subscription.needs):
                batches: Mapping[KafkaPartition, list[Any]] = self._consumer.poll(
                    timeout_ms=timeout_s * 1000, max_records=max_records
                )
        except (BrokerUnavailable, AssignmentLost) as exc:
            self._positions.warn(exc)
            time.sleep(timeout_s)  # the library raised instead of waiting
            return {}
        return batches

    def _refuse_if_topic_gone(self) -> None:
        """A member may own nothing because others own all, but not because there is nothing to own."""
        cluster = self._network.cluster  # the last answer, which remains valid while the broker is away
        if cluster.partitions_for_topic(self._topic) is not None:
            self._absence.topic_seen()
        elif self._topic in cluster.unauthorized_topics:
            denial = TopicAuthorizationFailedError()
            self._absence.topic_denied(translate(denial, f"reading {self._topic}", needs=self._subscription.needs))
        else:
            self._absence.topic_denied(reading.topic_gone(self._topic))
        self._absence.raise_if_gone()


def to_records(batches: Mapping[KafkaPartition, list[Any]]) -> list[Record]:
    """Translate what a poll returned."""
    records: list[Record] = []
    for kafka_partition, batch in batches.items():
        partition = TopicPartition(*kafka_partition)
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


def _settings(subscription: reading.Subscription) -> dict[str, Any]:
    return {
        "group_id": subscription.group_id,
        "group_instance_id": subscription.group_instance_id,
        "session_timeout_ms": subscription.session_timeout_ms,
        "heartbeat_interval_ms": subscription.heartbeat_ms,
        "max_poll_interval_ms": subscription.max_poll_interval_ms,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "fetch_max_wait_ms": reading.FETCH_WAIT_MS,
        "fetch_max_bytes": reading.FETCH_MAX_BYTES,
        "max_partition_fetch_bytes": reading.PARTITION_FETCH_MAX_BYTES,
        "metadata_max_age_ms": reading.METADATA_MAX_AGE_MS,
        "metrics_enabled": False,  # the library's own, which nothing reads
    }
