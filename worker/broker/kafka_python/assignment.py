"""Which partitions a member owns, on kafka-python.

A member that the group throws out while it joins keeps its partitions and positions without any callback, though
another member may have had them meanwhile. Its new member id gives that away, and it starts again from the committed
offsets.
"""

import logging
import threading
from collections.abc import Collection, Iterable
from typing import Any, Literal

from kafka import TopicPartition as KafkaPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import MemberState

from worker.broker.contract import TopicPartition

log = logging.getLogger(__name__)

_Callback = tuple[Literal["assigned", "revoked", "lost"], frozenset[TopicPartition]]


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """The callbacks run on the library's I/O thread and only take notes; `changes` acts on them."""

    def __init__(self, group_id: str) -> None:
        self.owned: set[TopicPartition] = set()  # as reported by `poll`
        self.arriving: set[TopicPartition] = set()  # assigned, but without a position yet: not reported
        self.leaving: frozenset[TopicPartition] = frozenset()  # revoked by the last poll, given up by the next
        self.handing_over = False  # from a revocation until the poll after the one that reports it
        self.membership: Any = None  # as of the last poll that found the group at rest
        self._group_id = group_id
        self._lock = threading.Lock()
        self._callbacks: list[_Callback] = []

    @property
    def has_changes(self) -> bool:  # not __bool__: the library ignores a listener that is false
        """Whether callbacks came that `changes` has not acted on."""
        return bool(self._callbacks)

    def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        """Take note."""
        self._note("assigned", assigned)

    def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        """Take note."""
        self.handing_over = True
        self._note("revoked", revoked)

    def on_partitions_lost(self, lost: Iterable[KafkaPartition]) -> None:
        """Take note."""
        self._note("lost", lost)

    def changes(
        self, member: Any, restarted: Collection[TopicPartition]
    ) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Act on the callbacks; return which partitions are lost and which are revoked.

        `member` is the group metadata, read before this call: it may be older than the callbacks, never newer.
        `restarted` are partitions to be reported as lost and assigned again.
        """
        before = frozenset(self.owned)
        lost: set[TopicPartition] = set()
        for event, partitions in self._take_notes():
            self.owned -= partitions
            if event == "assigned":
                self.arriving |= partitions
            else:
                self.arriving -= partitions
            if event == "lost":
                lost |= partitions
                self._log_lost(len(partitions))
        self._restart(self.owned & set(restarted))
        if member.state == MemberState.STABLE:
            if self.membership is None or member.member_id != self.membership.member_id:
                self._restart(set(self.owned))
            self.membership = member
        gone = before - self.owned
        self.leaving = gone - lost - self.arriving
        return gone - self.leaving, self.leaving

    def settle(self, partitions: Collection[TopicPartition]) -> None:
        """These have a position now: report them as ours."""
        self.arriving.difference_update(partitions)
        self.owned.update(partitions)

    def _restart(self, partitions: set[TopicPartition]) -> None:
        self.arriving |= partitions
        self.owned -= partitions

    def _note(self, event: Literal["assigned", "revoked", "lost"], partitions: Iterable[KafkaPartition]) -> None:
        with self._lock:
            self._callbacks.append((event, frozenset(TopicPartition(*partition) for partition in partitions)))

    def _take_notes(self) -> list[_Callback]:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        return callbacks

    def _log_lost(self, count: int) -> None:
        log.warning(
            "group %s took %d partitions away: no heartbeat reached the broker for session_timeout_ms, or no poll came "
            "for max_poll_interval_ms",
            self._group_id,
            count,
        )
