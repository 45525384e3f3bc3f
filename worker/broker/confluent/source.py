"""Reads a topic as a member of a consumer group, on librdkafka.

What comes while it cannot be told (its partition is paused, or a commit waits for its answer) is kept in stock.

What the library (2.16) does not do by itself and this file does; more stands in `assignment` and `positions`:

- To pause a partition throws away all that was fetched of it. So pausing is ours; the library is told to stop only when
  too much of a partition lies in stock.
- A commit that is waited for has no limit of time. Here it is sent, and its answer waited for. See `commit`.
"""

import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from worker.broker.confluent.assignment import Assignment
from worker.broker.confluent.connection import Told, settings_of
from worker.broker.confluent.consumer import Consumer
from worker.broker.confluent.errors import told
from worker.broker.confluent.positions import Positions
from worker.broker.confluent.stock import Message, Stock
from worker.broker.confluent.topic_watch import TopicWatch
from worker.broker.connection import Connection
from worker.broker.contract import Polled, Record, TopicPartition
from worker.broker.kafka_python.errors import to_read
from worker.errors import AssignmentLost, BrokerRefused, BrokerUnavailable, Fatal

log = logging.getLogger(__name__)

_SLICE_S: Final = 0.1  # how late a poll without records may notice that the assignment changed
_METADATA_MS: Final = 10_000  # how late new partitions may be seen; default 300 s
_PROPAGATION_MS: Final = 1_000  # for so long a new topic may be unknown
_ENDED: Final = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)


class ConfluentSource:
    """Reads `topic` as a member of `group_id`; see `worker.broker.contract.Source` for the contract.

    Opening it waits for nobody; `worker.broker.kafka_python.require_topics` finds out first whether we are let in.
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
        """The first polls join the group. `fetch_max_bytes` is what may wait in memory behind what was handed out."""
        self._topic = topic
        self._instance_id = group_instance_id
        self._reading = f"reading {topic} as group {group_id}"
        self._committing = f"committing offsets of group {group_id}"
        self._needs = to_read(topic, group_id)
        self._paused: set[TopicPartition] = set()
        self._closed = False
        self._hear = Told()
        common = settings_of(connection, self._hear)
        settings = common | {
            "session.timeout.ms": session_timeout_ms,
            "heartbeat.interval.ms": min(3_000, session_timeout_ms // 3),
            "max.poll.interval.ms": max_poll_interval_ms,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # told, and settled by us
            "isolation.level": "read_committed",
            "enable.partition.eof": True,  # where a partition ends in marks of transactions, this tells that it ends
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 100,
            "fetch.max.bytes": fetch_max_bytes,
            "fetch.message.max.bytes": partition_fetch_max_bytes,
            "queued.max.messages.kbytes": fetch_max_bytes // 1024,
            "fetch.queue.backoff.ms": 5,  # with the default of 1,000 a full queue runs empty
            "topic.metadata.refresh.interval.ms": _METADATA_MS,
            "topic.metadata.propagation.max.ms": _PROPAGATION_MS,
        }
        if group_instance_id is not None:
            settings["group.instance.id"] = group_instance_id
        admin = AdminClient(dict(common))
        self._consumer = Consumer(settings, topic=topic, group_id=group_id, needs=self._needs)
        self._stock = Stock()
        self._watch = TopicWatch(admin, topic, self._needs)
        self._positions = Positions(self._consumer, self._stock, self._watch, admin, topic)
        self._assignment = Assignment(
            self._consumer,
            admin,
            topic=topic,
            group_id=group_id,
            instance_id=group_instance_id,
            forget=self._positions.forget,
        )

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """See Source."""
        self._refuse_if_closed()
        if self._assignment.ended:
            self._assignment.come_back()
        self._assignment.hand_over_what_was_told()
        self._receive(timeout_s, max_records)
        self._hear.raise_refusal(f"reading {self._topic}")
        self._notice_new_topic()
        lost, revoked, assigned = self._assignment.changes()
        self._paused -= lost | revoked
        records = self._take(max_records)
        skipped = 0
        if not self._assignment.leaving:
            self._positions.find(self._owned)
            skipped = self._positions.begin_anew()
        self._positions.fetch_on(self._owned)
        if not self._owned:
            self._watch.refuse_if_gone(time.monotonic())
        return Polled(records, lost, revoked, assigned, skipped)

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._paused |= set(partitions) & set(self._owned.values())

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._paused -= set(partitions)

    def commit(self, next_offsets: Mapping[TopicPartition, int], *, timeout_s: float) -> None:
        """See Source. Records that come before the answer does are told by the next poll."""
        self._refuse_if_closed()
        deadline_s = time.monotonic() + timeout_s
        ours = self._owned.keys() | self._assignment.leaving
        offsets = {
            at.partition: next_offset
            for at, next_offset in next_offsets.items()
            if at.topic == self._topic and at.partition in ours
        }
        if not offsets:
            return
        if self._assignment.ended or not self._consumer.membership.holds:
            raise AssignmentLost(f"{self._committing} failed: the group has thrown us out")
        commit = self._consumer.commit(offsets)
        while not commit.done and not self._assignment.ended:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise BrokerUnavailable(
                    f"{self._committing}: no answer within {timeout_s:g} s. Check the broker and the network"
                )
            self._keep(self._consumer.consume(1, min(left_s, _SLICE_S)))
            self._positions.fetch_on(self._owned)
        if commit.error is not None and commit.error.code() in _ENDED:
            self._assignment.end()
        if self._assignment.ended:
            self._assignment.come_back()
            raise AssignmentLost(f"{self._committing} failed: the group takes us for another member")
        if commit.error is not None:
            raise told(commit.error, self._committing, needs=self._needs)

    @property
    def membership(self) -> object | None:
        """See Source."""
        return self._assignment.membership

    @property
    def silence_s(self) -> float:
        """See Source. The library tells once a second, in `poll`, when each broker was heard."""
        return time.monotonic() - self._consumer.heard_s

    def rewind(self, *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._assignment.hand_over()
        self._keep(self._consumer.consume(1, 0))  # or nobody would hear, while this is all that is called, of a refusal
        self._hear.raise_refusal(f"reading {self._topic}")
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

    def _receive(self, timeout_s: float, max_records: int) -> None:
        """Fill the stock until there is news or the time is over: in slices, since the library waits for records."""
        deadline_s = time.monotonic() + timeout_s
        wanted = 1 if self._all_paused else max_records  # that is what keeps us a member
        self._keep(self._consumer.consume(max(1, wanted - len(self._stock)), 0))
        while not self._has_news() and (left_s := deadline_s - time.monotonic()) > 0:
            self._keep(self._consumer.consume(1, min(left_s, _SLICE_S)))
            if self._stock:
                self._keep(self._consumer.consume(wanted, 0))

    def _has_news(self) -> bool:
        if self._assignment.has_changes:
            return True
        return not self._all_paused and self._stock.has_any(self._owned, self._paused)

    def _keep(self, messages: list[Message]) -> None:
        self._stock.add(one for one in messages if one.error() is None or self._is_of_a_partition(one))

    def _is_of_a_partition(self, message: Message) -> bool:
        """Whether it tells where a partition ends, or cannot be read on; other errors are told here."""
        error = message.error()
        if error.code() in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET):
            return True
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:
            self._assignment.lose_all()
            return False
        if error.code() == KafkaError._FATAL:
            if self._instance_id is None:
                raise BrokerRefused(f"reading {self._topic} has ended: {error.str()}. Start the worker again")
            self._assignment.end()
            return False
        self._hear(error)
        ours = told(error, self._reading, needs=self._needs)
        if isinstance(ours, Fatal) and not self._hear.topic_missed:
            raise ours
        log.info("%s", ours)
        self._positions.lose_the_way()  # of all that the library tells here, that is where it does not go on by itself
        return False

    def _take(self, max_records: int) -> list[Record]:
        if self._all_paused:
            return []
        return self._stock.take(self._owned, self._paused, max_records=max_records, now_s=time.monotonic())

    def _notice_new_topic(self) -> None:
        """Another topic of the same name: offsets mean nothing in it, and those that we committed may be in the way."""
        now_s = time.monotonic()
        if self._hear.topic_missed:
            self._hear.topic_missed = False
            self._watch.hurry(now_s)
        if not self._assignment.leaving and self._watch.is_another(now_s) and (ours := self._assignment.staying):
            log.warning("topic %s was deleted and made anew: it is read from its beginning", self._topic)
            self._positions.go_to_beginning(ours)
            self._assignment.begin_anew(ours)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError(f"the source of {self._topic} is closed")
