"""The contract of both deliveries: how results reach the broker, and how offsets follow them."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Protocol

from worker.delivery.outcomes import Outcome

LEAST_COMMIT_S: Final = 0.5  # time for a commit, even if the time for the drain is used up


class Delivery(Protocol):
    """Publishes outcomes and commits the offsets they finish. Used by the loop's thread alone."""

    @property
    def unfinished(self) -> int:
        """Outcomes published and not yet known to be stored."""

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """Send outcomes; those of a partition in the order of their offsets. Does not block."""

    def settle(self, now_s: float, *, timeout_s: float = inf) -> list[Outcome]:
        """Return the outcomes stored since the last call. If a commit is due, commit, within `timeout_s`.

        `now_s` is monotonic. Raises DeliveryFailed: call `restart` and replay. Raises Fatal: the process must end.
        """

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Wait until every outcome is stored, commit, and return as `settle` does.

        `hurried` is called meanwhile; once it returns True, the wait ends as if `timeout_s` were over.
        Raises as `settle` does, and two more errors, after which what is not committed will be replayed:
        BrokerUnavailable if the time is over, AssignmentLost if the group rebalances. After the latter, poll and try
        again.
        """

    def restart(self) -> list[Outcome]:
        """Forget and return what is in flight, after a failure. It will not be committed."""

    def reopen(self) -> None:
        """Prepare to publish again after `restart`. Raises BrokerUnavailable: call again later."""

    def close(self) -> None:
        """Close the producer. What is in flight will not be committed."""
