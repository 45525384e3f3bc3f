"""What the sources of both clients share."""

import logging
import time
from dataclasses import dataclass
from typing import Final

from worker.broker.contract import TopicPartition
from worker.broker.errors import Needs, to_read
from worker.errors import TopicMissing, WorkerError

log = logging.getLogger(__name__)

SLICE_S: Final = 0.1  # how late a poll without records may notice that the assignment changed
FETCH_WAIT_MS: Final = 100  # a resumed partition waits for the fetch in flight to return
METADATA_MAX_AGE_MS: Final = 10_000  # how late new partitions, or a recreated topic, may be seen; the default is 300 s
# What may be buffered behind the records returned by polls, and of one partition. A larger message is fetched alone.
FETCH_MAX_BYTES: Final = 16 * 1024 * 1024
PARTITION_FETCH_MAX_BYTES: Final = 1024 * 1024
_GONE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a source reads, and as which member of which group: its keyword arguments."""

    topic: str
    group_id: str
    group_instance_id: str | None = None  # of a static member
    session_timeout_ms: int = 45_000
    max_poll_interval_ms: int = 300_000

    @property
    def heartbeat_ms(self) -> int:
        """Three heartbeats fit in a session."""
        return min(3_000, self.session_timeout_ms // 3)

    @property
    def needs(self) -> Needs:
        """The permissions that reading takes."""
        return to_read(self.topic, self.group_id)

    @property
    def reading(self) -> str:
        """What a poll does, for an error."""
        return f"reading {self.topic} as group {self.group_id}"

    @property
    def committing(self) -> str:
        """What a commit does, for an error."""
        return f"committing offsets of group {self.group_id}"


class TopicAbsence:
    """Believes that a topic is gone once the cluster has denied it for five seconds."""

    def __init__(self) -> None:
        self._denial: WorkerError | None = None
        self._denied_since_s = 0.0

    def topic_seen(self) -> None:
        """The cluster knows the topic."""
        self._denial = None

    def topic_denied(self, denial: WorkerError) -> None:
        """The cluster does not know the topic, or does not show it to us. The last reason counts."""
        if self._denial is None:
            self._denied_since_s = time.monotonic()
        self._denial = denial

    def raise_if_gone(self) -> None:
        """Raise the reason once it has held for long enough: TopicMissing or AccessDenied."""
        if self._denial is not None and time.monotonic() - self._denied_since_s >= _GONE_S:
            raise self._denial


def topic_gone(topic: str) -> TopicMissing:
    """Return the error for a topic that existed when the worker started."""
    return TopicMissing(f"topic {topic} does not exist (any more). Create it and start the worker again")


def log_recreated(topic: str) -> None:
    """Offsets mean nothing in another topic of the same name, and those we committed may be in the way."""
    log.warning("topic %s was deleted and recreated: it is read from its beginning", topic)


def count_deleted(partition: TopicPartition, next_offset: int, earliest: int) -> int:
    """Return and log how many records retention deleted before they were read."""
    if earliest <= next_offset:
        return 0
    log.warning(
        "records %d to %d of %s-%d were deleted before they were read: the topic keeps them too short a time, or the "
        "worker is too far behind",
        next_offset,
        earliest - 1,
        *partition,
    )
    return earliest - next_offset
