"""A member of a consumer group, on librdkafka.

The library fetches, joins and sends heartbeats on threads of its own. Whatever it has to tell waits in one queue, which
only `poll` and `commit` serve: its callbacks run there, on the thread of the loop, and nothing here needs a lock. What
comes while it cannot be told (its partition is paused, or a commit waits for its answer) is kept in stock.

What the library (2.16) does not do by itself and this file does:

- To pause a partition throws away all that was fetched of it. So pausing is ours; the library is told to stop only when
  too much of a partition lies in stock.
- A partition that is handed over is gone when the callback ends. Here it goes with the next `poll`. See `_on_revoke`.
- A commit that is waited for has no limit of time. Here it is sent, and its answer waited for. See `commit`.
- A position behind deleted records, or in a topic that was made anew, is moved without a word. See `_begin_anew`.
- A partition whose committed offset it could not learn is told of once, and never read. See `_find_place`.
- A static member whose commit was late takes itself for replaced, and ends. See `_come_back`.
"""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import confluent_kafka as ck
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from worker.broker import Polled, Record, TopicPartition
from worker.confluent_broker.connection import Told, settings_of
from worker.confluent_broker.errors import told, translated
from worker.confluent_broker.membership import Membership, holder_of
from worker.confluent_broker.stock import Message, Stock
from worker.confluent_broker.topic_watch import TopicWatch
from worker.errors import AssignmentLost, BrokerRefused, BrokerUnavailable, Fatal, TopicMissing
from worker.kafka_broker.connection import Connection
from worker.kafka_broker.errors import of_code, to_read, translate

log = logging.getLogger(__name__)

_SLICE_S: Final = 0.1  # how late a poll without records may notice that the assignment changed
_ANSWER_S: Final = 0.2
_PLACE_S: Final = 1.0  # for committed offsets that the library did not learn; the next poll asks again
_HOLDER_S: Final = 1.0  # for the group to tell who has our name
_ASK_EVERY_S: Final = 1.0
_STATISTICS_MS: Final = 1_000
_METADATA_MS: Final = 10_000  # how late new partitions may be seen; default 300 s
_STOCK: Final = 1_000  # records of a partition beyond which the library is to fetch no more of it
_QUIET: Final = re.compile(r'"rxidle":(\d+)')  # of each broker, microseconds
_NOWHERE: Final = 2**31 - 1  # no partition has this number
_ENDED: Final = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)


class ConfluentSource:
    """Reads `topic` as a member of `group_id`; see `worker.broker.Source` for the contract.

    Opening it waits for nobody; `worker.kafka_broker.require_topics` finds out first whether we are let in.
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
        self._group_id = group_id
        self._instance_id = group_instance_id
        self._needs = to_read(topic, group_id)
        self._owned: dict[int, TopicPartition] = {}  # as told by `poll`
        self._paused: set[TopicPartition] = set()
        self._stopped: set[int] = set()  # of which the library fetches no more
        self._stock = Stock()
        self._assigned: set[int] = set()  # this and the next two: not told yet
        self._revoked: set[int] = set()
        self._lost: set[int] = set()
        self._leaving: list[ck.TopicPartition] = []  # handed over with the next poll
        self._membership: Membership | None = None
        self._member_id = b""
        self._membership_is_old = True
        self._ended = False  # the library takes our name for another's, and does nothing more
        self._astray = False  # it could not learn where some partition is to be read
        self._committed: list[tuple[dict[int, int], KafkaError | None]] = []  # answers
        self._ends: dict[int, int] = {}  # of partitions that no fetch tells of
        self._ask_at_s = 0.0
        self._heard_s = time.monotonic()
        self._closed = False
        self._hear = Told()
        common = settings_of(connection, self._hear)
        self._admin = AdminClient(dict(common))
        self._watch = TopicWatch(self._admin, topic, self._needs)
        settings = common | {
            "group.id": group_id,
            "group.instance.id": group_instance_id,
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
            "topic.metadata.propagation.max.ms": _ASK_EVERY_S * 1000,
            "statistics.interval.ms": _STATISTICS_MS,
            "stats_cb": self._on_statistics,
            "on_commit": self._on_commit,
        }
        self._settings = {name: value for name, value in settings.items() if value is not None}
        self._open()

    def poll(self, *, timeout_s: float, max_records: int) -> Polled:
        """See Source."""
        self._refuse_if_closed()
        if self._ended:
            self._come_back()
        if not self._revoked:  # what a commit was told of meanwhile, this poll tells
            self._hand_over()
        self._receive(timeout_s, max_records)
        self._hear.raise_refusal(f"reading {self._topic}")
        self._notice_new_topic()
        lost, revoked, assigned = self._changes()
        records = self._take(max_records)
        self._find_place()
        skipped = self._begin_anew()
        self._fetch_on()
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
        leaving = {place.partition for place in self._leaving}
        offsets = {
            at.partition: next_offset
            for at, next_offset in next_offsets.items()
            if at.topic == self._topic and (at.partition in self._owned or at.partition in leaving)
        }
        if not offsets:
            return
        what = f"committing offsets of group {self._group_id}"
        if self._ended or not self._present_membership().holds:
            raise AssignmentLost(f"{what} failed: the group has thrown us out")
        self._committed.clear()
        with translated(what, needs=self._needs):
            self._consumer.commit(offsets=self._places_at(offsets), asynchronous=True)
        answers: list[KafkaError | None] = []
        while not answers and not self._ended:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise BrokerUnavailable(f"{what}: no answer within {timeout_s:g} s. Check the broker and the network")
            self._keep(self._consume(1, min(left_s, _SLICE_S)))
            answers = [error for answered, error in self._committed if answered == offsets]
            if len(self._stock) > _STOCK:
                self._fetch_on()
        error = answers[0] if answers else None
        if error is not None and error.code() in _ENDED:
            self._end()
        if self._ended:
            self._come_back()
            raise AssignmentLost(f"{what} failed: the group takes us for another member")
        if error is not None:
            raise told(error, what, needs=self._needs)

    @property
    def membership(self) -> object | None:
        """See Source."""
        if not self._ended and self._membership == self._present_membership():
            return self._membership
        self._membership_is_old = True
        return None

    @property
    def silence_s(self) -> float:
        """See Source. The library tells once a second, in `poll`, when each broker was heard."""
        return time.monotonic() - self._heard_s

    def rewind(self, *, timeout_s: float) -> None:
        """See Source."""
        self._refuse_if_closed()
        self._hand_over()
        self._keep(self._consume(1, 0))  # or nobody would hear, while this is all that is called, that we are refused
        self._hear.raise_refusal(f"reading {self._topic}")
        self._go_to_committed(self._owned.keys() - self._lost - self._revoked, timeout_s)

    def lag(self) -> Mapping[TopicPartition, int]:
        """See Source. Fetches tell the end of a partition; where none does, the broker is asked once a second."""
        self._refuse_if_closed()
        ends = {}
        for number in self._owned:
            _, end = self._consumer.get_watermark_offsets(ck.TopicPartition(self._topic, number), cached=True)
            if end >= 0 and number not in self._stopped:
                ends[number] = end
        self._ask_for_ends(self._owned.keys() - ends)
        ends |= self._ends
        return {
            at: max(0, ends[number] - self._stock.positions[number])
            for number, at in self._owned.items()
            if number in ends and number in self._stock.positions
        }

    def close(self, *, timeout_s: float) -> None:
        """See Source."""
        if self._closed:
            return
        self._closed = True
        self._leave(timeout_s)

    # Coming and going

    def _open(self) -> None:
        with translated(f"connecting to {self._settings['bootstrap.servers']}"):
            self._consumer = ck.Consumer(self._settings)
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _leave(self, timeout_s: float) -> None:
        """It has no limit of time. What it has left to do when the time is over ends with the process."""
        closing = threading.Thread(target=self._consumer.close, name="leave the group", daemon=True)
        closing.start()
        closing.join(timeout_s)
        if closing.is_alive():
            log.warning("leaving group %s takes too long; the group will notice when the session ends", self._group_id)

    def _end(self) -> None:
        """A request was refused since our name is another's: the library stops for good, and we hold nothing more."""
        self._ended = True
        self._leaving = []
        self._lose(set(self._owned))

    def _come_back(self) -> None:
        """Join anew, unless another member has our name: the library does not look what id it was refused under.

        When a session ends while the broker is away, it forgets its id, and a commit that waited for the broker is sent
        under none. That is refused like one of a member that was replaced.
        While no broker answers, the next poll asks again. Raises BrokerRefused.
        """
        ours = self._present_membership().member_id
        try:
            holder = holder_of(str(self._instance_id), self._admin, self._group_id, timeout_s=_HOLDER_S)
        except LookupError:
            return
        if ours and holder not in (ours, None):  # without an id we were about to take the name, whoever has it
            raise translate(of_code(KafkaError.FENCED_INSTANCE_ID), f"reading {self._topic} as group {self._group_id}")
        log.warning("group %s took this member for a twin that it has not: it joins anew", self._group_id)
        self._leave(_ANSWER_S)
        self._open()
        self._ended = False

    # What the library calls, while it is polled

    def _on_assign(self, consumer: ck.Consumer, places: list[ck.TopicPartition]) -> None:
        """Read on from the committed offsets.

        A member that is thrown out while it joins keeps its partitions, without a callback, though another may have had
        them meanwhile: its new name gives that away, and it starts them anew.
        """
        self._hand_over()  # the library went on already: what `_put` does looks to it like this
        numbers = {place.partition for place in places}
        member_id = self._present_membership().member_id
        if member_id != self._member_id and (kept := consumer.assignment()):
            consumer.incremental_unassign(kept)
            numbers |= {place.partition for place in kept}
        self._member_id = member_id
        consumer.incremental_assign(self._places(numbers))
        self._forget(numbers)
        self._lost |= numbers & self._owned.keys()
        self._assigned |= numbers
        self._membership_is_old = True

    def _on_revoke(self, consumer: ck.Consumer, places: list[ck.TopicPartition]) -> None:
        """Keep what was told to be ours until the next poll: the group waits for us so long."""
        if not self._is_open(consumer):
            return
        if self._present_membership().member_id != self._member_id:
            self._lose(set(self._owned))
        self._membership_is_old = True
        self._forget(numbers := {place.partition for place in places})
        self._assigned -= numbers
        revoked = numbers & self._owned.keys() - self._lost
        if not revoked:
            return  # the binding gives them up when this ends
        self._revoked |= revoked
        self._leaving = places
        with contextlib.suppress(KafkaException):  # who has asked for anything, be it impossible, gives them up himself
            consumer.incremental_unassign([ck.TopicPartition(self._topic, _NOWHERE)])

    def _on_lost(self, consumer: ck.Consumer, places: list[ck.TopicPartition]) -> None:
        if self._is_open(consumer):
            self._lose({place.partition for place in places})

    def _on_commit(self, error: KafkaError | None, places: list[ck.TopicPartition]) -> None:
        error = error or next((place.error for place in places if place.error is not None), None)
        self._committed.append(({place.partition: place.offset for place in places}, error))

    def _on_statistics(self, statistics: str) -> None:
        if quiet_us := [int(found) for found in _QUIET.findall(statistics)]:
            self._heard_s = max(self._heard_s, time.monotonic() - min(quiet_us) / 1e6)

    def _is_open(self, consumer: ck.Consumer) -> bool:
        """Whether it is not being closed: that is done on another thread."""
        return not self._closed and consumer is self._consumer

    def _lose(self, numbers: set[int]) -> None:
        self._membership_is_old = True
        self._forget(numbers)
        self._assigned -= numbers
        if lost := numbers & self._owned.keys() - self._lost:
            self._lost |= lost
            log.warning(
                "group %s took %d partitions away: no heartbeat reached the broker for session_timeout_ms, no poll "
                "came for max_poll_interval_ms, or it takes us for another member",
                self._group_id,
                len(lost),
            )

    # Receiving

    def _receive(self, timeout_s: float, max_records: int) -> None:
        """Fill the stock until there is news or the time is over: in slices, since the library waits for records."""
        deadline_s = time.monotonic() + timeout_s
        wanted = 1 if self._all_paused else max_records  # that is what keeps us a member
        self._keep(self._consume(max(1, wanted - len(self._stock)), 0))
        while not self._has_news() and (left_s := deadline_s - time.monotonic()) > 0:
            self._keep(self._consume(1, min(left_s, _SLICE_S)))
            if self._stock:
                self._keep(self._consume(wanted, 0))

    @property
    def _all_paused(self) -> bool:
        return bool(self._owned) and len(self._paused) == len(self._owned)

    def _has_news(self) -> bool:
        if self._assigned or self._revoked or self._lost:
            return True
        return not self._all_paused and self._stock.has_any(self._owned, self._paused)

    def _consume(self, count: int, timeout_s: float) -> list[Message]:
        what = f"reading {self._topic} as group {self._group_id}"
        with translated(what, needs=self._needs):
            return self._consumer.consume(count, timeout_s)

    def _keep(self, messages: list[Message]) -> None:
        self._stock.add(one for one in messages if one.error() is None or self._is_of_a_partition(one))

    def _is_of_a_partition(self, message: Message) -> bool:
        """Whether it tells where a partition ends, or cannot be read on; other errors are told here."""
        error = message.error()
        if error.code() in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET):
            return True
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # the callbacks tell this piece by piece
            self._lose(set(self._owned))
            return False
        if error.code() == KafkaError._FATAL:
            if self._instance_id is None:
                raise BrokerRefused(f"reading {self._topic} has ended: {error.str()}. Start the worker again")
            self._end()
            return False
        self._hear(error)
        ours = told(error, f"reading {self._topic} as group {self._group_id}", needs=self._needs)
        if isinstance(ours, Fatal) and not self._hear.topic_missed:
            raise ours
        log.info("%s", ours)
        self._astray = True  # of all that it tells here, that is where it does not go on by itself
        return False

    def _take(self, max_records: int) -> list[Record]:
        if self._all_paused:
            return []
        return self._stock.take(self._owned, self._paused, max_records=max_records, now_s=time.monotonic())

    def _fetch_on(self) -> None:
        """Stop fetching what lies in stock too high, and begin again with what does not."""
        if len(self._stock) <= _STOCK and not self._stopped:
            return
        high = self._stock.heights()
        stop = {number for number, count in high.items() if count > _STOCK} - self._stopped
        resume = {number for number in self._stopped & self._owned.keys() if number not in high}
        self._consumer.pause(self._places(stop))
        self._consumer.resume(self._places(resume))
        self._stopped = (self._stopped | stop) - resume

    # Partitions that come and go

    def _changes(self) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition], frozenset[TopicPartition]]:
        """What was lost, revoked and assigned since the last poll; from here on it is as told."""
        before = dict(self._owned)
        assigned = {number: TopicPartition(self._topic, number) for number in self._assigned}
        for number in self._lost | self._revoked:
            del self._owned[number]
        self._paused &= set(self._owned.values())
        self._owned |= assigned
        lost = frozenset(before[number] for number in self._lost)
        revoked = frozenset(before[number] for number in self._revoked - self._lost)
        self._assigned, self._revoked, self._lost = set(), set(), set()
        if self._membership_is_old:
            present = self._present_membership()
            self._membership = present if present.holds else None
            self._membership_is_old = False
        return lost, revoked, frozenset(assigned.values())

    def _hand_over(self) -> None:
        """Give up what the last poll told to be revoked; the next member may have it."""
        leaving, self._leaving = self._leaving, []
        if leaving:
            with translated(f"giving partitions back to group {self._group_id}"):
                self._consumer.incremental_unassign(leaving)

    def _notice_new_topic(self) -> None:
        """Another topic of the same name: offsets mean nothing in it, and those that we committed may be in the way."""
        now_s = time.monotonic()
        if self._hear.topic_missed:
            self._hear.topic_missed = False
            self._watch.hurry(now_s)
        if (
            not self._leaving
            and self._watch.is_another(now_s)
            and (ours := self._owned.keys() - self._revoked - self._lost)
        ):
            log.warning("topic %s was deleted and made anew: it is read from its beginning", self._topic)
            self._put(dict.fromkeys(ours, OFFSET_BEGINNING))
            self._lost |= ours
            self._assigned |= ours

    def _find_place(self) -> None:
        """Ask where partitions are to be read that the library found no committed offset for, or gave up.

        It asks when they are assigned, and does not ask again where a coordinator that was just started, or moves, does
        not tell; and where an open transaction keeps an offset back it may take that for none.
        """
        misled = {number for number, (offset, _) in self._stock.resets.items() if offset < 0}
        if self._astray:
            misled |= self._owned.keys() - self._stock.positions.keys() - self._stock.resets.keys()
        if self._leaving:  # to move any would give those up
            return
        with contextlib.suppress(BrokerUnavailable):
            self._go_to_committed(misled, _PLACE_S)
            self._astray = False

    def _go_to_committed(self, numbers: Collection[int], timeout_s: float) -> None:
        if not numbers:
            return
        what = f"looking up the committed offsets of group {self._group_id}"
        with translated(what, needs=self._needs):
            found = self._consumer.committed(self._places(numbers), timeout_s)
        for place in found:
            if place.error is not None:
                raise told(place.error, what, needs=self._needs)
        self._put({place.partition: place.offset if place.offset >= 0 else OFFSET_BEGINNING for place in found})

    def _begin_anew(self) -> int:
        """Let partitions go on at their beginning that could not go on where they were; how many records that skips.

        Which of two things has happened, the watch must tell first: records were deleted, or the topic was.
        """
        skipped = 0
        if self._leaving:
            return skipped
        for number, (offset, since_s) in list(self._stock.resets.items()):
            if offset < 0:
                continue
            if self._watch.answered_s < since_s:
                self._watch.hurry(time.monotonic())
                continue
            try:
                with translated(f"looking up the beginning of {self._topic}-{number}", needs=self._needs):
                    earliest, _ = self._consumer.get_watermark_offsets(
                        ck.TopicPartition(self._topic, number), timeout=_ANSWER_S
                    )
            except (BrokerUnavailable, TopicMissing):  # or it is being made anew
                continue
            self._put({number: earliest})
            if offset < earliest:
                skipped += earliest - offset
                log.warning(
                    "records %d to %d of %s-%d were deleted before they were read: the topic keeps them too short a "
                    "time, or the worker is too far behind",
                    offset,
                    earliest - 1,
                    self._topic,
                    number,
                )
        return skipped

    def _put(self, offsets: Mapping[int, int]) -> None:
        """Let partitions of ours be read from these offsets."""
        places = self._places_at(offsets)
        with translated(f"going to other offsets of {self._topic}"):
            self._consumer.incremental_unassign(places)
            self._consumer.incremental_assign(places)
        self._forget(offsets)

    def _forget(self, numbers: Iterable[int]) -> None:
        """Drop what is known of their contents."""
        gone = set(numbers)
        self._stock.forget(gone)
        self._consumer.resume(self._places(gone & self._stopped))
        self._stopped -= gone
        for number in gone:
            self._ends.pop(number, None)

    # The rest

    def _ask_for_ends(self, untold: Collection[int]) -> None:
        """Look up where partitions end; while the broker does not tell, the last answer stands."""
        self._ends = {number: end for number, end in self._ends.items() if number in untold}
        now_s = time.monotonic()
        if not untold or now_s < self._ask_at_s:
            return
        self._ask_at_s = now_s + _ASK_EVERY_S
        with contextlib.suppress(KafkaException):
            found = self._consumer.offsets_for_times(self._places_at(dict.fromkeys(untold, OFFSET_END)), _ANSWER_S)
            self._ends |= {one.partition: one.offset for one in found if one.error is None and one.offset >= 0}

    def _present_membership(self) -> Membership:
        return Membership.of(self._consumer, self._group_id)

    def _places(self, numbers: Iterable[int]) -> list[ck.TopicPartition]:
        """As the library wants them."""
        return [ck.TopicPartition(self._topic, number) for number in numbers]

    def _places_at(self, offsets: Mapping[int, int]) -> list[ck.TopicPartition]:
        return [ck.TopicPartition(self._topic, number, offset) for number, offset in offsets.items()]

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError(f"the source of {self._topic} is closed")
