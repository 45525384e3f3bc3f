"""librdkafka's consumer of one topic, in our words: partitions are numbers here, and errors ours.

The library fetches, joins and sends heartbeats on threads of its own. Whatever it has to tell waits in one queue, which
only `consume` serves: its callbacks run there, on the thread that calls it.
"""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Protocol

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from worker.broker.confluent.errors import told, translated
from worker.broker.confluent.membership import Membership
from worker.broker.confluent.stock import Message
from worker.broker.kafka_python.errors import Needs

log = logging.getLogger(__name__)

_STATISTICS_MS: Final = 1_000
_QUIET: Final = re.compile(r'"rxidle":(\d+)')  # of each broker, microseconds
_NOWHERE: Final = 2**31 - 1  # no partition has this number


class Listener(Protocol):
    """What is told during `consume`: partitions that come and go."""

    def on_assign(self, numbers: set[int]) -> None:
        """These are ours; who listens lets them be read."""
        ...

    def on_revoke(self, numbers: set[int]) -> None:
        """These are to be given up; the library does, when this ends, unless `keep_for_now` was called."""
        ...

    def on_lost(self, numbers: set[int]) -> None:
        """These have been taken."""
        ...


class Commit:
    """Offsets on their way to the group. Filled in during `consume`."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        self.done = False
        self.error: KafkaError | None = None
        self._offsets = offsets

    def hear(self, offsets: Mapping[int, int], error: KafkaError | None) -> None:
        """Take an answer, if it is the first to this commit."""
        if offsets == self._offsets and not self.done:
            self.done, self.error = True, error


class Consumer:
    """A member of `group_id`, from `open` to `leave`, and again. Use from one thread."""

    def __init__(self, settings: Mapping[str, Any], *, topic: str, group_id: str, needs: Needs) -> None:
        self.heard_s = time.monotonic()  # when any broker last said anything, as told once a second
        self._topic = topic
        self._group_id = group_id
        self._needs = needs
        self._settings = {
            **settings,
            "group.id": group_id,
            "statistics.interval.ms": _STATISTICS_MS,
            "stats_cb": self._on_statistics,
            "on_commit": self._on_commit,
        }
        self._commit = Commit({})
        self._opened: ck.Consumer | None = None

    def open(self, listener: Listener) -> None:
        """Let the next calls of `consume` join the group; waits for nobody."""
        with translated(f"connecting to {self._settings['bootstrap.servers']}"):
            self._library = ck.Consumer(self._settings)
        self._opened = self._library
        self._library.subscribe(
            [self._topic],
            on_assign=self._while_open(listener.on_assign),
            on_revoke=self._while_open(listener.on_revoke),
            on_lost=self._while_open(listener.on_lost),
        )

    def leave(self, timeout_s: float) -> None:
        """Leave the group. The library has no limit of time: what is left to do then ends with the process."""
        self._opened = None
        closing = threading.Thread(target=self._library.close, name="leave the group", daemon=True)
        closing.start()
        closing.join(timeout_s)
        if closing.is_alive():
            log.warning("leaving group %s takes too long; the group will notice when the session ends", self._group_id)

    @property
    def membership(self) -> Membership:
        """As whom we are in the group at present."""
        return Membership.of(self._library, self._group_id)

    def consume(self, count: int, timeout_s: float) -> list[Message]:
        """Wait for so many messages; among them are those that tell of errors and of ends."""
        with self._translated(f"reading {self._topic} as group {self._group_id}"):
            return self._library.consume(count, timeout_s)

    def commit(self, offsets: Mapping[int, int]) -> Commit:
        """Send a commit. Only the answer to the last one is heard."""
        self._commit = Commit(offsets)
        with self._translated(f"committing offsets of group {self._group_id}"):
            self._library.commit(offsets=self._places_at(offsets), asynchronous=True)
        return self._commit

    def assigned(self) -> set[int]:
        """Of which partitions the library thinks that they are ours."""
        return {place.partition for place in self._library.assignment()}

    def assign(self, numbers: Iterable[int]) -> None:
        """Read these, from their committed offsets."""
        with self._translated(f"taking partitions of group {self._group_id}"):
            self._library.incremental_assign(self._places(numbers))

    def give_up(self, numbers: Iterable[int]) -> None:
        """Read these no more; the next member may have them, if they were revoked."""
        with self._translated(f"giving partitions back to group {self._group_id}"):
            self._library.incremental_unassign(self._places(numbers))

    def keep_for_now(self) -> None:
        """For `on_revoke`: the binding gives up nothing by itself once it was asked for anything, be it impossible."""
        with contextlib.suppress(KafkaException):
            self._library.incremental_unassign(self._places([_NOWHERE]))

    def move(self, offsets: Mapping[int, int]) -> None:
        """Read partitions of ours from these offsets. To the library this looks as if they were given up and came."""
        places = self._places_at(offsets)
        with self._translated(f"going to other offsets of {self._topic}"):
            self._library.incremental_unassign(places)
            self._library.incremental_assign(places)

    def pause(self, numbers: Iterable[int]) -> None:
        """Fetch no more of these. Throws away what was fetched and is not in our hands yet."""
        self._library.pause(self._places(numbers))

    def resume(self, numbers: Iterable[int]) -> None:
        """Fetch these again."""
        self._library.resume(self._places(numbers))

    def committed(self, numbers: Iterable[int], timeout_s: float) -> dict[int, int]:
        """Look up the committed offsets: negative where there is none."""
        what = f"looking up the committed offsets of group {self._group_id}"
        with self._translated(what):
            found = self._library.committed(self._places(numbers), timeout_s)
        for place in found:
            if place.error is not None:
                raise told(place.error, what, needs=self._needs)
        return {place.partition: place.offset for place in found}

    def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        """Where partitions end, as far as fetches have told."""
        ends = {}
        for place in self._places(numbers):
            _, end = self._library.get_watermark_offsets(place, cached=True)
            if end >= 0:
                ends[place.partition] = end
        return ends

    def _while_open(self, tell: Callable[[set[int]], None]) -> Callable[[ck.Consumer, list[ck.TopicPartition]], None]:
        """One that is leaving tells on another thread what concerns nobody any more."""

        def call(library: ck.Consumer, places: list[ck.TopicPartition]) -> None:
            if library is self._opened:
                tell({place.partition for place in places})

        return call

    def _on_commit(self, error: KafkaError | None, places: Collection[ck.TopicPartition]) -> None:
        error = error or next((place.error for place in places if place.error is not None), None)
        self._commit.hear({place.partition: place.offset for place in places}, error)

    def _on_statistics(self, statistics: str) -> None:
        if quiet_us := [int(found) for found in _QUIET.findall(statistics)]:
            self.heard_s = max(self.heard_s, time.monotonic() - min(quiet_us) / 1e6)

    def _translated(self, what: str) -> contextlib.AbstractContextManager[None]:
        return translated(what, needs=self._needs)

    def _places(self, numbers: Iterable[int]) -> list[ck.TopicPartition]:
        """As the library wants them."""
        return [ck.TopicPartition(self._topic, number) for number in numbers]

    def _places_at(self, offsets: Mapping[int, int]) -> list[ck.TopicPartition]:
        return [ck.TopicPartition(self._topic, number, offset) for number, offset in offsets.items()]
