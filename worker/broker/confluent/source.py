"""Reads a topic as a member of a consumer group, on librdkafka.

Messages that may not be returned yet, because their partition is paused or a commit waits for its answer, are buffered.

What the library (2.16) does not do by itself and this file does; `assignment` and `positions` do more:

- Pausing a partition discards everything that was fetched of it. So paused partitions are held back here; the
  library pauses only those with too many buffered records.
- A synchronous commit has no time limit. Here a commit is sent, and its answer waited for. See `commit`.
"""

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from worker.broker import reading
from worker.broker.confluent.assignment import Assignment
from worker.broker.confluent.buffer import Buffer, Message
from worker.broker.confluent.client import ReportedErrors, settings_of
from worker.broker.confluent.consumer import Commit, Consumer
from worker.broker.confluent.errors import translate
from worker.broker.confluent.positions import Positions
from worker.broker.confluent.watches import TopicWatch
from worker.broker.connection import Connection
from worker.broker.contract import Polled, Record, TopicPartition
from worker.broker.deadline import Deadline
from worker.errors import AssignmentLost, BrokerRefused, BrokerUnavailable, Fatal

log = logging.getLogger(__name__)

_PROPAGATION_MS: Final = 1_000  # a new topic may be unknown for that long
_REPLACED: Final = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)


class ConfluentSource:
    """Reads a topic as a member of a group; see `worker.broker.contract.Source` for the contract.

    Opening it waits for no broker: `worker.broker.cluster.admin.require_topics` finds out first whether we may connect.
    """

    def __init__(self, connection: Connection, **subscription: Any) -> None:
        """Take the fields of `Subscription`. The first polls join the group."""
        self._subscription = reading.Subscription(**subscription)
        self._topic = self._subscription.topic
        self._paused: set[TopicPartition] = set()
        self._closed = False
        self._errors = ReportedErrors()
        common = settings_of(connection, self._errors)
        admin = AdminClient(dict(common))
        self._consumer = Consumer(common | _settings(self._subscription), self._subscription)
        self._buffer = Buffer()
        self._watch = TopicWatch(admin, self._subscription)
        self._positions = Positions(self._consumer, self._buffer, self._watch, admin, self._topic)
        self._assignment = Assignment(self._consumer, admin, self._subscription, forget=self._positions.forget)

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """See Source."""
        self._refuse_if_closed()
        if self._assignment.ended:
            self._assignment.come_back()
        self._assignment.hand_over_reported()
        self._receive(timeout_s, max_records)
        self._errors.raise_refusal(f"reading {self._topic}")
        self._restart_if_recreated()
        polled = self._assignment.changes()
        self._paused -= polled.lost | polled.revoked
        records = self._take(max_records)
        skipped = 0
        if not self._assignment.leaving:
            self._positions.find(self._owned)
            skipped = self._positions.skip_deleted()
        self._positions.limit_fetching(self._owned)
        if not self._owned:
            self._watch.refuse_if_gone()
        return replace(polled, records=records, skipped=skipped)

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._paused |= set(partitions) & set(self._owned.values())

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._paused -= set(partitions)

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """See Source. The next poll returns records that come before the answer does."""
        self._refuse_if_closed()
        ours = self._owned.keys() | self._assignment.leaving
        offsets = {
            at.partition: next_offset
            for at, next_offset in next_offsets.items()
            if at.topic == self._topic and at.partition in ours
        }
        if not offsets:
            return
        what = self._subscription.committing
        if self._assignment.ended or not self._consumer.membership.holds:
            raise AssignmentLost(f"{what} failed: the group has thrown us out")
        commit = self._consumer.commit(offsets)
        self._await_commit(commit, Deadline(timeout_s))
        if commit.error is not None and commit.error.code() in _REPLACED:
            self._assignment.end()
        if self._assignment.ended:
            self._assignment.come_back()
            raise AssignmentLost(f"{what} failed: the group takes us for another member")
        if commit.error is not None:
            raise translate(commit.error, what, needs=self._subscription.needs)

    @property
    def membership(self) -> object | None:
        """See Source."""
        return self._assignment.membership

    @property
    def silence_s(self) -> float:
        """See Source. The library reports once a second, in `poll`, when each broker last sent anything."""
        return time.monotonic() - self._consumer.received_s

    def rewind(self, *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._assignment.hand_over()
        self._keep(self._consumer.consume(1, 0))  # or a refusal would go unnoticed while only this is called
        self._errors.raise_refusal(f"reading {self._topic}")
        self._positions.go_to_committed(self._assignment.staying, timeout_s=timeout_s)

    def lag(self) -> Mapping[TopicPartition, int]:
        """See Source."""
        self._refuse_if_closed()
        return self._positions.lag(self._owned)

    def close(self, *, timeout_s: float) -> None:
        """See Source."""
        if not self._closed:
            self._closed = True
            self._consumer.leave(timeout_s)

    @property
    def _owned(self) -> Mapping[int, TopicPartition]:
        return self._assignment.owned

    @property
    def _all_paused(self) -> bool:
        return bool(self._owned) and len(self._paused) == len(self._owned)

    def _await_commit(self, commit: Commit, deadline: Deadline) -> None:
        while not commit.done and not self._assignment.ended:
            if deadline.over:
                what = self._subscription.committing
                raise BrokerUnavailable(
                    f"{what}: no answer within {deadline.budget_s:g} s. Check the broker and the network"
                )
            self._keep(self._consumer.consume(1, min(deadline.left_s, reading.SLICE_S)))
            self._positions.limit_fetching(self._owned)

    def _receive(self, timeout_s: float, max_records: int) -> None:
        """Fill the buffer until there is news or the time is over, in slices: the library returns for records alone."""
        deadline = Deadline(timeout_s)
        wanted = 1 if self._all_paused else max_records  # one keeps us a member
        self._keep(self._consumer.consume(max(1, wanted - len(self._buffer)), 0))
        while not self._has_news() and not deadline.over:
            self._keep(self._consumer.consume(1, min(deadline.left_s, reading.SLICE_S)))
            if self._buffer:
                self._keep(self._consumer.consume(wanted, 0))

    def _has_news(self) -> bool:
        if self._assignment.has_changes:
            return True
        return not self._all_paused and self._buffer.has_any(self._owned, self._paused)

    def _keep(self, messages: list[Message]) -> None:
        self._buffer.add(one for one in messages if one.error() is None or self._is_of_a_partition(one))

    def _is_of_a_partition(self, message: Message) -> bool:
        """Whether this error says where a partition ends, or cannot be read on. Other errors are handled here."""
        error = message.error()
        if error.code() in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET):
            return True
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:
            self._assignment.lose_all()
            return False
        if error.code() == KafkaError._FATAL:
            if self._subscription.group_instance_id is None:
                raise BrokerRefused(f"reading {self._topic} has ended: {error.str()}. Start the worker again")
            self._assignment.end()
            return False
        self._errors(error)
        ours = translate(error, self._subscription.reading, needs=self._subscription.needs)
        if isinstance(ours, Fatal) and not self._errors.topic_missed:
            raise ours
        log.info("%s", ours)
        self._positions.position_unknown()  # the only error reported here after which the library does not go on
        return False

    def _take(self, max_records: int) -> list[Record]:
        if self._all_paused:
            return []
        return self._buffer.take(self._owned, self._paused, max_records=max_records, now_s=time.monotonic())

    def _restart_if_recreated(self) -> None:
        if self._errors.topic_missed:
            self._errors.topic_missed = False
            self._watch.hurry()
        if not self._assignment.leaving and self._watch.was_recreated() and (ours := self._assignment.staying):
            reading.log_recreated(self._topic)
            self._positions.go_to_beginning(ours)
            self._assignment.restart(ours)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError(f"the source of {self._topic} is closed")


def _settings(subscription: reading.Subscription) -> dict[str, Any]:
    settings = {
        "group.id": subscription.group_id,
        "group.instance.id": subscription.group_instance_id,
        "session.timeout.ms": subscription.session_timeout_ms,
        "heartbeat.interval.ms": subscription.heartbeat_ms,
        "max.poll.interval.ms": subscription.max_poll_interval_ms,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",  # reported, and handled here
        "isolation.level": "read_committed",
        "enable.partition.eof": True,  # says where a partition ends whose last offsets are marks of transactions
        "partition.assignment.strategy": "cooperative-sticky",
        "fetch.wait.max.ms": reading.FETCH_WAIT_MS,
        "fetch.max.bytes": reading.FETCH_MAX_BYTES,
        "fetch.message.max.bytes": reading.PARTITION_FETCH_MAX_BYTES,
        "queued.max.messages.kbytes": reading.FETCH_MAX_BYTES // 1024,
        "fetch.queue.backoff.ms": 5,  # with the default of 1,000 a full queue runs empty
        "topic.metadata.refresh.interval.ms": reading.METADATA_MAX_AGE_MS,
        "topic.metadata.propagation.max.ms": _PROPAGATION_MS,
    }
    return {name: value for name, value in settings.items() if value is not None}
