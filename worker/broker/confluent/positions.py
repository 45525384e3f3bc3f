"""How far each partition is read, and where it is read on when the library does not know.

What the library (2.16) does not do by itself and this file does:

- A partition whose committed offset it could not learn is told of once, and never read. See `find`.
- A position behind deleted records, or in a topic that was made anew, is moved without a word. See `begin_anew`.
"""

import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import OFFSET_BEGINNING
from confluent_kafka.admin import AdminClient

from worker.broker.confluent.consumer import Consumer
from worker.broker.confluent.offset_watch import OffsetWatch
from worker.broker.confluent.stock import Stock
from worker.broker.confluent.topic_watch import TopicWatch
from worker.broker.contract import TopicPartition
from worker.errors import BrokerUnavailable

log = logging.getLogger(__name__)

_PLACE_S: Final = 1.0  # for committed offsets that the library did not learn; the next call asks again
_STOCK: Final = 1_000  # records of a partition beyond which the library is to fetch no more of it


class Positions:
    """Moves them; not while any partition is being handed over, since that would give it up."""

    def __init__(self, consumer: Consumer, stock: Stock, watch: TopicWatch, admin: AdminClient, topic: str) -> None:
        self._consumer = consumer
        self._stock = stock
        self._watch = watch
        self._topic = topic
        self._stopped: set[int] = set()  # of which the library fetches no more
        self._astray = False
        self._beginnings = OffsetWatch(admin, topic, "beginning")
        self._ends = OffsetWatch(admin, topic, "end")  # of partitions that no fetch tells of

    def forget(self, numbers: Collection[int]) -> None:
        """Drop what is known of the contents of partitions."""
        gone = set(numbers)
        self._stock.forget(gone)
        self._consumer.resume(gone & self._stopped)
        self._stopped -= gone
        self._beginnings.forget(gone)
        self._ends.forget(gone)

    def fetch_on(self, owned: Collection[int]) -> None:
        """Stop fetching what lies in stock too high, and begin again with what does not."""
        if len(self._stock) <= _STOCK and not self._stopped:
            return
        high = self._stock.heights()
        stop = {number for number, count in high.items() if count > _STOCK} - self._stopped
        resume = {number for number in self._stopped.intersection(owned) if number not in high}
        self._consumer.pause(stop)
        self._consumer.resume(resume)
        self._stopped = (self._stopped | stop) - resume

    def lose_the_way(self) -> None:
        """The library could not learn where some partition is to be read, and does not tell which: `find` asks."""
        self._astray = True

    def find(self, owned: Collection[int]) -> None:
        """Ask where partitions are to be read that the library found no committed offset for, or gave up.

        It asks when they are assigned, and does not ask again where a coordinator that was just started, or moves, does
        not tell; and where an open transaction keeps an offset back it may take that for none.
        """
        misled = {number for number, (offset, _) in self._stock.resets.items() if offset < 0}
        if self._astray:
            misled |= set(owned) - self._stock.positions.keys() - self._stock.resets.keys()
        with contextlib.suppress(BrokerUnavailable):
            self.go_to_committed(misled, timeout_s=_PLACE_S)
            self._astray = False

    def begin_anew(self) -> int:
        """Let partitions go on at their beginning that could not go on where they were; how many records that skips.

        Which of two things has happened, the watch must tell first: records were deleted, or the topic was.
        """
        skipped = 0
        now_s = time.monotonic()
        behind = {number: reset for number, reset in self._stock.resets.items() if reset[0] >= 0}
        self._beginnings.look(behind, now_s)
        for number, (offset, since_s) in behind.items():
            if self._watch.answered_s < since_s:
                self._watch.hurry(now_s)
                continue
            earliest = self._beginnings.offset(number, since_s=since_s)
            if earliest is None:
                continue
            self._move({number: earliest})
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

    def go_to_committed(self, numbers: Collection[int], *, timeout_s: float) -> None:
        """Read these from their committed offsets, or from the beginning. Raises BrokerUnavailable."""
        if numbers:
            committed = self._consumer.committed(numbers, timeout_s)
            self._move({number: at if at >= 0 else OFFSET_BEGINNING for number, at in committed.items()})

    def go_to_beginning(self, numbers: Collection[int]) -> None:
        """Read these from their beginning."""
        self._move(dict.fromkeys(numbers, OFFSET_BEGINNING))

    def lag(self, owned: Mapping[int, TopicPartition]) -> Mapping[TopicPartition, int]:
        """See `worker.broker.contract.Source`. Where no fetch tells an end, the broker is asked once a second."""
        ends = self._consumer.ends(owned.keys() - self._stopped)
        self._ends.forget(ends)
        self._ends.look(owned.keys() - ends, time.monotonic())
        lags = {}
        for number, at in owned.items():
            end = ends.get(number, self._ends.offset(number))
            if end is not None and number in self._stock.positions:
                lags[at] = max(0, end - self._stock.positions[number])
        return lags

    def _move(self, offsets: Mapping[int, int]) -> None:
        self._consumer.move(offsets)
        self.forget(offsets.keys())
