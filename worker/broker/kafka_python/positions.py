"""Where each partition is read next, on kafka-python."""

import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError

from worker.broker.contract import TopicPartition
from worker.broker.deadline import Deadline
from worker.broker.kafka_python.errors import translated
from worker.broker.kafka_python.repairs import Network, forget_offset_lookups, report_resets
from worker.broker.ownership import Ownership
from worker.broker.reading import Subscription, count_deleted, log_recreated
from worker.errors import BrokerUnavailable, TopicMissing, WorkerError

log = logging.getLogger(__name__)

_PLACE_S: Final = 1.0  # for committed offsets after a rebalance; the next poll places what is left
_ANSWER_S: Final = 0.2
_ASK_EVERY_S: Final = 1.0
_WARN_EVERY_S: Final = 10.0


class Positions:
    """Moves the positions of partitions that the consumer is assigned."""

    def __init__(self, consumer: Any, network: Network, subscription: Subscription) -> None:
        self._consumer = consumer
        self._network = network
        self._topic = subscription.topic
        self._needs = subscription.needs
        self._topic_id: object | None = None
        self._from_beginning: set[TopicPartition] = set()  # of a recreated topic: no committed offset is valid
        self._deleted: dict[KafkaPartition, int] = {}  # the next offset of partitions whose next record was deleted
        self._ends: dict[KafkaPartition, int] = {}  # of partitions that no fetch reports
        self._ask_at_s = 0.0
        self._warn_at_s = 0.0
        report_resets(consumer, self._deleted.__setitem__)

    def restart_if_recreated(self, ownership: Ownership[TopicPartition]) -> None:
        """Read our partitions from the beginning where the topic is another one of the same name."""
        topic_id = self._network.cluster.topic_id(self._topic)
        if topic_id is None or topic_id == self._topic_id:
            return
        if self._topic_id is not None:
            log_recreated(self._topic)
            ownership.assign(ownership.staying)
            self._from_beginning |= ownership.arriving
        self._topic_id = topic_id

    def place(self, arriving: Collection[TopicPartition]) -> frozenset[TopicPartition]:
        """Move new partitions to their committed offset, and return those for which the broker answered in time."""
        self._from_beginning.intersection_update(arriving)
        placed = set()
        deadline = Deadline(_PLACE_S)
        for partition in sorted(arriving):
            try:
                if partition in self._from_beginning:
                    self._consumer.seek_to_beginning(KafkaPartition(*partition))
                else:
                    self._go_to_committed(partition, deadline)
            except BrokerUnavailable as exc:
                self.warn(exc)
                break
            self._consumer.resume(KafkaPartition(*partition))  # pause flags can outlive an assignment
            placed.add(partition)
        self._from_beginning -= placed
        return frozenset(placed)

    def go_to_committed(self, partitions: Collection[TopicPartition], *, timeout_s: float) -> None:
        """Read these again from their committed offsets. Raises BrokerUnavailable; some may be moved already."""
        deadline = Deadline(timeout_s)
        for partition in sorted(partitions):
            self._go_to_committed(partition, deadline)

    def skipped(self) -> int:
        """Return how many records were deleted before they were read, since the last call."""
        skipped = 0
        for partition, next_offset in list(self._deleted.items()):
            try:
                with translated(f"looking up the beginning of {partition.topic}-{partition.partition}"):
                    earliest = self._consumer.beginning_offsets([partition], timeout_ms=_ANSWER_S * 1000)[partition]
            except (BrokerUnavailable, TopicMissing) as exc:  # or the topic is being recreated
                self.warn(exc)
                continue
            del self._deleted[partition]
            skipped += count_deleted(TopicPartition(*partition), next_offset, earliest)
        return skipped

    def lag(self, partitions: Collection[KafkaPartition]) -> Mapping[TopicPartition, int]:
        """See Source. Fetches report the end of a partition; where none does, the broker is asked once a second."""
        self._ask_for_ends(partitions)
        lags = {}
        for partition in partitions:
            end = self._ends.get(partition, self._consumer.highwater(partition))
            try:
                next_offset = self._consumer.position(partition, timeout_ms=0)
            except KafkaError:  # no position yet, or an error that the next poll reports
                continue
            if end is not None and next_offset is not None:
                lags[TopicPartition(*partition)] = max(0, end - next_offset)
        return lags

    def warn(self, exc: WorkerError) -> None:
        """Log at most one line in ten seconds: while a broker is away, every poll fails."""
        now_s = time.monotonic()
        if now_s >= self._warn_at_s:
            self._warn_at_s = now_s + _WARN_EVERY_S
            log.warning("%s", exc)

    def _ask_for_ends(self, partitions: Collection[KafkaPartition]) -> None:
        """Look up the ends that no fetch reports; while the broker does not answer, the last ones remain valid.

        A paused partition is not fetched, and the end of an empty one is reported only once, perhaps before a seek.
        """
        paused = self._consumer.paused()
        unknown = {one for one in partitions if one in paused or self._consumer.highwater(one) is None}
        self._ends = {partition: end for partition, end in self._ends.items() if partition in unknown}
        now_s = time.monotonic()
        if unknown and now_s >= self._ask_at_s:
            self._ask_at_s = now_s + _ASK_EVERY_S
            with contextlib.suppress(KafkaError):
                self._ends = self._consumer.end_offsets(list(unknown), timeout_ms=_ANSWER_S * 1000)

    def _go_to_committed(self, partition: TopicPartition, deadline: Deadline) -> None:
        kafka_partition = KafkaPartition(*partition)
        forget_offset_lookups(self._consumer)
        what = f"looking up the committed offset of {partition.topic}-{partition.partition}"
        with translated(what, needs=self._needs):
            next_offset = self._consumer.committed(kafka_partition, timeout_ms=deadline.left_s * 1000)
        if next_offset is None:
            self._consumer.seek_to_beginning(kafka_partition)
        else:
            self._consumer.seek(kafka_partition, next_offset)
