"""Which partitions a member owns, on librdkafka, and what of that was reported.

What the library (2.16) does not do by itself and this file does:

- A partition that is handed over is gone when the callback ends. Here it goes with the next poll. See `_on_revoke`.
- A member that is thrown out while it joins keeps its partitions without any callback. See `_on_assign`.
- A static member whose commit was late takes itself for replaced, and ends. See `come_back`.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from worker.broker.confluent.consumer import Consumer
from worker.broker.confluent.membership import Membership, member_id_of
from worker.broker.contract import Polled, TopicPartition
from worker.broker.errors import broker_error
from worker.broker.ownership import Ownership
from worker.broker.reading import Subscription

log = logging.getLogger(__name__)

_ANSWER_S: Final = 1.0  # for the group to say which member has our instance id
_LEAVE_S: Final = 0.2


class Assignment:
    """Listens to the consumer, and opens it. `forget` drops what is known of the contents of partitions."""

    def __init__(
        self, consumer: Consumer, admin: AdminClient, subscription: Subscription, *, forget: Callable[[set[int]], None]
    ) -> None:
        self.owned: dict[int, TopicPartition] = {}  # as reported by `changes`
        self.leaving: set[int] = set()  # reported as revoked, or about to be; see `hand_over`
        self.ended = False  # the library believes that another member replaced us, and does nothing more
        self._ownership = Ownership[int](subscription.group_id)
        self._consumer = consumer
        self._admin = admin
        self._subscription = subscription
        self._forget = forget
        self._membership: Membership | None = None  # as of the last `changes`
        self._membership_is_old = True
        self._member_id = b""
        self._open()

    @property
    def staying(self) -> set[int]:
        """The owned partitions that nothing has happened to."""
        return self._ownership.staying

    @property
    def membership(self) -> Membership | None:
        """See `worker.broker.contract.Source`."""
        if not self.ended and self._membership == self._consumer.membership:
            return self._membership
        self._membership_is_old = True
        return None

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to report."""
        return self._ownership.has_changes

    def changes(self) -> Polled:
        """Report what has happened since the last call."""
        arrived = set(self._ownership.arriving)
        lost, revoked = self._ownership.take_gone()
        self._ownership.report_arrived(arrived)
        self.owned = {number: TopicPartition(self._subscription.topic, number) for number in self._ownership.owned}
        if self._membership_is_old:
            present = self._consumer.membership
            self._membership = present if present.holds else None
            self._membership_is_old = False
        return Polled(lost=self._named(lost), revoked=self._named(revoked), assigned=self._named(arrived))

    def hand_over_reported(self) -> None:
        """Give up what the last `changes` reported as revoked; what a commit has brought since is reported first."""
        if not self._ownership.revoked:
            self.hand_over()

    def hand_over(self) -> None:
        """Give up what is revoked: the next member may have it."""
        leaving, self.leaving = self.leaving, set()
        if leaving:
            self._consumer.give_up(leaving)

    def restart(self, numbers: set[int]) -> None:
        """Report partitions of ours as lost and assigned again."""
        self._ownership.assign(numbers)

    def lose_all(self) -> None:
        """We were thrown out: the callbacks report that piece by piece, or not at all."""
        self._on_lost(set(self.owned))

    def end(self) -> None:
        """A request was refused because another member has our instance id: the library stops for good."""
        self.ended = True
        self.leaving = set()
        self.lose_all()

    def come_back(self) -> None:
        """Join again, unless another member has our instance id: the library does not check what it was refused for.

        When a session ends while the broker is away, the library forgets its member id, and sends a commit that waited
        for the broker under none. That is refused like one of a member that was replaced.
        While no broker answers, nothing changes: call again. Raises BrokerRefused.
        """
        ours = self._consumer.membership.member_id
        group_id = self._subscription.group_id
        try:
            holder = member_id_of(str(self._subscription.group_instance_id), self._admin, group_id, timeout_s=_ANSWER_S)
        except LookupError:
            return
        if ours and holder not in (ours, None):  # without a member id we were about to replace any other
            replaced = KafkaError(KafkaError.FENCED_INSTANCE_ID)
            raise broker_error(replaced.code(), self._subscription.reading, replaced.str())
        log.warning("group %s took this member for one that was replaced, wrongly: it joins again", group_id)
        self._consumer.leave(_LEAVE_S)
        self._open()
        self.ended = False

    def _open(self) -> None:
        self._consumer.open(self._on_assign, self._on_revoke, self._on_lost)

    def _named(self, numbers: Iterable[int]) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(self._subscription.topic, number) for number in numbers)

    def _on_assign(self, numbers: set[int]) -> None:
        """Read on from the committed offsets.

        A member that is thrown out while it joins keeps its partitions, without a callback, though another may have had
        them meanwhile: its new member id gives that away, and it starts them again.
        """
        self.hand_over()  # the library went on already: what `move` does looks to it like this
        member_id = self._consumer.membership.member_id
        if member_id != self._member_id and (kept := self._consumer.assigned()):
            self._consumer.give_up(kept)
            numbers |= kept
        self._member_id = member_id
        self._consumer.assign(numbers)
        self._forget(numbers)
        self._ownership.assign(numbers)
        self._membership_is_old = True

    def _on_revoke(self, numbers: set[int]) -> None:
        """Keep what was reported as ours until the next poll: the group waits for us that long."""
        if self._consumer.membership.member_id != self._member_id:
            self.lose_all()
        self._membership_is_old = True
        self._forget(numbers)
        if self._ownership.revoke(numbers):
            self.leaving = numbers
            self._consumer.keep_for_now()

    def _on_lost(self, numbers: set[int]) -> None:
        self._membership_is_old = True
        self._forget(numbers)
        self._ownership.lose(numbers)
