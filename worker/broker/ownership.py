"""Which partitions a member of a group owns, and what a poll still has to report of that. Does no I/O."""

import logging
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

P = TypeVar("P")


class Ownership(Generic[P]):
    """Follows the group by the callbacks of a rebalance; `P` identifies a partition."""

    def __init__(self, group_id: str) -> None:
        self.owned: set[P] = set()  # as reported
        self.arriving: set[P] = set()  # assigned, and not reported yet
        self._group_id = group_id
        self.revoked: set[P] = set()  # owned, to be reported as revoked
        self._lost: set[P] = set()  # owned, to be reported as lost

    @property
    def staying(self) -> set[P]:
        """The owned partitions that nothing has happened to."""
        return self.owned - self._lost - self.revoked

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.arriving or self._lost or self.revoked)

    def assign(self, partitions: AbstractSet[P]) -> None:
        """They are ours. Those that we owned already were taken in between: other members may have read them."""
        self._lost |= partitions & self.owned
        self.arriving |= partitions

    def revoke(self, partitions: AbstractSet[P]) -> bool:
        """They move to other members. Returns whether some of them are to be reported."""
        self.arriving -= partitions
        revoked = partitions & self.owned - self._lost
        self.revoked |= revoked
        return bool(revoked)

    def lose(self, partitions: AbstractSet[P]) -> None:
        """They were taken: other members may read them already."""
        self.arriving -= partitions
        if lost := partitions & self.owned - self._lost:
            self._lost |= lost
            log.warning(
                "group %s took %d partitions away: no heartbeat reached the broker for session_timeout_ms, no poll "
                "came for max_poll_interval_ms, or it takes us for another member",
                self._group_id,
                len(lost),
            )

    def take_gone(self) -> tuple[frozenset[P], frozenset[P]]:
        """Return what was lost and what was revoked since the last call: from here on it is not owned."""
        lost, revoked = frozenset(self._lost), frozenset(self.revoked - self._lost)
        self.owned -= lost | revoked
        self._lost, self.revoked = set(), set()
        return lost, revoked

    def report_arrived(self, partitions: AbstractSet[P]) -> None:
        """From here on these are owned."""
        self.arriving -= partitions
        self.owned |= partitions
