"""Where each partition is read next, on librdkafka.

What the library (2.16) does not do by itself and this file does:

- A partition whose committed offset it could not learn is reported once, and never read. See `find`.
- A position behind deleted records, or in a recreated topic, is moved silently. See `skip_deleted`.
"""

import contextlib
import time
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import OFFSET_BEGINNING
from confluent_kafka.admin import AdminClient

from worker.broker.confluent.buffer import Buffer
from worker.broker.confluent.consumer import Consumer
from worker.broker.confluent.watches import OffsetWatch, TopicWatch
from worker.broker.contract import TopicPartition
from worker.broker.reading import count_deleted
from worker.errors import BrokerUnavailable

_PLACE_S: Final = 1.0  # for committed offsets that the library did not learn; the next call asks again
_BUFFERED: Final = 1_000  # records of one partition; the library fetches no more of it beyond


class Positions:
    """Moves positions, but not while a partition is being handed over: that would give it up."""

    def __init__(self, consumer: Consumer, buffer: Buffer, watch: TopicWatch, admin: AdminClient, topic: str) -> None:
        self._consumer = consumer
        self._buffer = buffer
        self._watch = watch
        self._topic = topic
        self._stopped: set[int] = set()  # partitions that the library fetches no more of
        self._unknown = False  # some partition has no position, and the library does not say which
        self._beginnings = OffsetWatch(admin, topic, "beginning")
        self._ends = OffsetWatch(admin, topic, "end")  # of partitions that no fetch reports

    def forget(self, numbers: Collection[int]) -> None:
        """Drop what is known of the contents of partitions."""
        gone = set(numbers)
        self._buffer.forget(gone)
        self._consumer.resume(gone & self._stopped)
        self._stopped -= gone
        self._beginnings.forget(gone)
        self._ends.forget(gone)

    def limit_fetching(self, owned: Collection[int]) -> None:
        """Stop fetching partitions with too many buffered records, and resume those with none."""
        if len(self._buffer) <= _BUFFERED and not self._stopped:
            return
        counts = self._buffer.counts()
        stop = {number for number, count in counts.items() if count > _BUFFERED} - self._stopped
        resume = {number for number in self._stopped.intersection(owned) if number not in counts}
        self._consumer.pause(stop)
        self._consumer.resume(resume)
        self._stopped = (self._stopped | stop) - resume

    def position_unknown(self) -> None:
        """The library could not learn where some partition is read next, and does not say which: `find` asks."""
        self._unknown = True

    def find(self, owned: Collection[int]) -> None:
        """Ask for the position of partitions that the library found no committed offset for, or gave up.

        It asks when they are assigned, and not again where a coordinator that just started, or moves, does not answer.
        Where an open transaction holds an offset back, it may find none.
        """
        unknown = {number for number, (offset, _) in self._buffer.resets.items() if offset < 0}
        if self._unknown:
            unknown |= set(owned) - self._buffer.positions.keys() - self._buffer.resets.keys()
        with contextlib.suppress(BrokerUnavailable):
            self.go_to_committed(unknown, timeout_s=_PLACE_S)
            self._unknown = False

    def skip_deleted(self) -> int:
        """Move partitions that could not be read on to their beginning; return how many records that skips.

        The watch must answer first which of two things has happened: records were deleted, or the topic was.
        """
        skipped = 0
        now_s = time.monotonic()
        behind = {number: reset for number, reset in self._buffer.resets.items() if reset[0] >= 0}
        self._beginnings.look(behind, now_s)
        for number, (offset, since_s) in behind.items():
            if self._watch.answered_s < since_s:
                self._watch.hurry()
                continue
            earliest = self._beginnings.offset(number, since_s=since_s)
            if earliest is not None:
                self._move({number: earliest})
                skipped += count_deleted(TopicPartition(self._topic, number), offset, earliest)
        return skipped

    def go_to_committed(self, numbers: Collection[int], *, timeout_s: float) -> None:
        """Read these from their committed offsets, or from the beginning. Raises BrokerUnavailable."""
        if numbers:
            committed = self._consumer.committed(numbers, timeout_s)
            self._move({number: at if at >= 0 else OFFSET_BEGINNING for number, at in committed.items()})

    def go_to_beginning(self, numbers: Collection[int]) -> None:
        """Read these from their beginning."""
        self._move(dict.fromkeys(numbers, OFFSET_BEGINNING))

    def lag(self, owned: Mapping[int, TopicPartition]) -> Mapping[TopicPartition, int]:
        """See `worker.broker.contract.Source`. Where no fetch reports an end, the broker is asked once a second."""
        ends = self._consumer.ends(owned.keys() - self._stopped)
        self._ends.forget(ends)
        self._ends.look(owned.keys() - ends, time.monotonic())
        lags = {}
        for number, partition in owned.items():
            end = ends.get(number, self._ends.offset(number))
            if end is not None and number in self._buffer.positions:
                lags[partition] = max(0, end - self._buffer.positions[number])
        return lags

    def _move(self, offsets: Mapping[int, int]) -> None:
        self._consumer.move(offsets)
        self.forget(offsets.keys())
