"""What the group assigns to a member, on kafka-python.

A member that the group throws out while it joins keeps its partitions and positions without any callback, though
another member may have had them meanwhile. Its new member id gives that away, and it starts again from the committed
offsets.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from kafka import TopicPartition as KafkaPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import MemberState

from worker.broker.contract import TopicPartition
from worker.broker.ownership import Ownership

_Act = Callable[[set[TopicPartition]], object]


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """The callbacks run on the library's I/O thread and only take notes; `changes` acts on them."""

    def __init__(self, ownership: Ownership[TopicPartition]) -> None:
        self.leaving: frozenset[TopicPartition] = frozenset()  # reported as revoked by the last poll
        self.handing_over = False  # from a revocation until the poll after the one that reports it
        self.membership: Any = None  # as of the last poll that found the group at rest
        self._ownership = ownership
        self._lock = threading.Lock()
        self._notes: list[tuple[_Act, set[TopicPartition]]] = []

    @property
    def has_notes(self) -> bool:  # not __bool__: the library ignores a listener that is false
        """Whether callbacks came that `changes` has not acted on."""
        return bool(self._notes)

    def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        """Take note."""
        self._note(self._ownership.assign, assigned)

    def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        """Take note."""
        self.handing_over = True
        self._note(self._ownership.revoke, revoked)

    def on_partitions_lost(self, lost: Iterable[KafkaPartition]) -> None:
        """Take note."""
        self._note(self._ownership.lose, lost)

    def changes(self, member: Any) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Act on the callbacks; return which partitions are lost and which are revoked.

        `member` is the group metadata, read before this call: it may be older than the callbacks, never newer.
        """
        with self._lock:
            notes, self._notes = self._notes, []
        for act, partitions in notes:
            act(partitions)
        if member.state == MemberState.STABLE:
            if self.membership is None or member.member_id != self.membership.member_id:
                self._ownership.assign(self._ownership.staying)
            self.membership = member
        lost, self.leaving = self._ownership.take_gone()
        return lost, self.leaving

    def _note(self, act: _Act, partitions: Iterable[KafkaPartition]) -> None:
        with self._lock:
            self._notes.append((act, {TopicPartition(*partition) for partition in partitions}))
