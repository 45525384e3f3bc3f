"""librdkafka's consumer of one topic, with partitions as numbers and errors as ours.

The library fetches, joins and sends heartbeats on threads of its own. Its events wait in one queue, which only
`consume` serves: its callbacks run there, on the thread that calls it.
"""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from worker.broker.confluent.buffer import Message
from worker.broker.confluent.errors import translate, translated
from worker.broker.confluent.membership import Membership
from worker.broker.reading import Subscription

log = logging.getLogger(__name__)

Notify = Callable[[set[int]], None]

_STATISTICS_MS: Final = 1_000
_IDLE: Final = re.compile(r'"rxidle":(\d+)')  # of each broker, microseconds
_NO_PARTITION: Final = 2**31 - 1  # no partition has this number


class Commit:
    """A commit under way. Its result is set during `consume`."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        self.done = False
        self.error: KafkaError | None = None
        self._offsets = offsets

    def on_answer(self, offsets: Mapping[int, int], error: KafkaError | None) -> None:
        """Take an answer, if it is the first one to this commit."""
        if offsets == self._offsets and not self.done:
            self.done, self.error = True, error


class Consumer:
    """A member of a group, from `open` to `leave`, and again. Use from one thread."""

    def __init__(self, settings: Mapping[str, Any], subscription: Subscription) -> None:
        self.received_s = time.monotonic()  # when a broker last sent anything, updated once a second
        self._subscription = subscription
        self._settings = {
            **settings,
            "statistics.interval.ms": _STATISTICS_MS,
            "stats_cb": self._on_statistics,
            "on_commit": self._on_commit,
        }
        self._commit = Commit({})
        self._opened: ck.Consumer | None = None

    def open(self, on_assign: Notify, on_revoke: Notify, on_lost: Notify) -> None:
        """Make the next calls of `consume` join the group, and notify of partitions that come and go.

        Waits for no broker. What `on_revoke` is called with is given up when it returns, unless it called
        `keep_for_now`.
        """
        with translated(f"connecting to {self._settings['bootstrap.servers']}"):
            self._library = ck.Consumer(self._settings)
        self._opened = self._library
        self._library.subscribe(
            [self._subscription.topic],
            on_assign=self._while_open(on_assign),
            on_revoke=self._while_open(on_revoke),
            on_lost=self._while_open(on_lost),
        )

    def leave(self, timeout_s: float) -> None:
        """Leave the group. The library has no time limit for this: what is left to do ends with the process."""
        self._opened = None
        closing = threading.Thread(target=self._library.close, name="leave the group", daemon=True)
        closing.start()
        closing.join(timeout_s)
        if closing.is_alive():
            log.warning(
                "leaving group %s takes too long; the group will notice when the session ends",
                self._subscription.group_id,
            )

    @property
    def membership(self) -> Membership:
        """Our present membership."""
        return Membership.of(self._library, self._subscription.group_id)

    def consume(self, count: int, timeout_s: float) -> list[Message]:
        """Wait for `count` messages; errors and ends of partitions are messages too."""
        with self._translated(self._subscription.reading):
            return self._library.consume(count, timeout_s)

    def commit(self, offsets: Mapping[int, int]) -> Commit:
        """Send a commit. Only the answer to the last one is noted."""
        self._commit = Commit(offsets)
        with self._translated(self._subscription.committing):
            self._library.commit(offsets=self._at(offsets), asynchronous=True)
        return self._commit

    def assigned(self) -> set[int]:
        """Return the partitions that the library takes for ours."""
        return {place.partition for place in self._library.assignment()}

    def assign(self, numbers: Iterable[int]) -> None:
        """Read these, from their committed offsets."""
        with self._translated(f"taking partitions of group {self._subscription.group_id}"):
            self._library.incremental_assign(self._places(numbers))

    def give_up(self, numbers: Iterable[int]) -> None:
        """Stop reading these. If they were revoked, the next member may have them."""
        with self._translated(f"giving partitions back to group {self._subscription.group_id}"):
            self._library.incremental_unassign(self._places(numbers))

    def keep_for_now(self) -> None:
        """Call in `on_revoke`: after any such request, even for an unknown partition, the binding gives up no other."""
        with contextlib.suppress(KafkaException):
            self._library.incremental_unassign(self._places([_NO_PARTITION]))

    def move(self, offsets: Mapping[int, int]) -> None:
        """Read partitions of ours from these offsets. To the library they are given up and assigned again."""
        places = self._at(offsets)
        with self._translated(f"going to other offsets of {self._subscription.topic}"):
            self._library.incremental_unassign(places)
            self._library.incremental_assign(places)

    def pause(self, numbers: Iterable[int]) -> None:
        """Stop fetching these. The library discards what it has fetched and not returned."""
        self._library.pause(self._places(numbers))

    def resume(self, numbers: Iterable[int]) -> None:
        """Fetch these again."""
        self._library.resume(self._places(numbers))

    def committed(self, numbers: Iterable[int], timeout_s: float) -> dict[int, int]:
        """Look up the committed offsets: negative where there is none."""
        what = f"looking up the committed offsets of group {self._subscription.group_id}"
        with self._translated(what):
            found = self._library.committed(self._places(numbers), timeout_s)
        for place in found:
            if place.error is not None:
                raise translate(place.error, what, needs=self._subscription.needs)
        return {place.partition: place.offset for place in found}

    def ends(self, numbers: Iterable[int]) -> dict[int, int]:
        """Return where partitions end, as far as fetches have reported it."""
        ends = {}
        for place in self._places(numbers):
            _, end = self._library.get_watermark_offsets(place, cached=True)
            if end >= 0:
                ends[place.partition] = end
        return ends

    def _while_open(self, notify: Notify) -> Callable[[ck.Consumer, list[ck.TopicPartition]], None]:
        """Ignore the callbacks of a consumer that is leaving: they come on another thread, too late."""

        def call(library: ck.Consumer, places: list[ck.TopicPartition]) -> None:
            if library is self._opened:
                notify({place.partition for place in places})

        return call

    def _on_commit(self, error: KafkaError | None, places: Collection[ck.TopicPartition]) -> None:
        error = error or next((place.error for place in places if place.error is not None), None)
        self._commit.on_answer({place.partition: place.offset for place in places}, error)

    def _on_statistics(self, statistics: str) -> None:
        if idle_us := [int(found) for found in _IDLE.findall(statistics)]:
            self.received_s = max(self.received_s, time.monotonic() - min(idle_us) / 1e6)

    def _translated(self, what: str) -> contextlib.AbstractContextManager[None]:
        return translated(what, needs=self._subscription.needs)

    def _places(self, numbers: Iterable[int]) -> list[ck.TopicPartition]:
        """Partitions in the library's type."""
        return [ck.TopicPartition(self._subscription.topic, number) for number in numbers]

    def _at(self, offsets: Mapping[int, int]) -> list[ck.TopicPartition]:
        return [ck.TopicPartition(self._subscription.topic, number, offset) for number, offset in offsets.items()]
