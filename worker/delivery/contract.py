"""How results reach the broker and offsets follow them: the contract of both deliveries."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Protocol

from worker.delivery.outcomes import Outcome

LEAST_COMMIT_S: Final = 0.5  # what a commit gets, though the time was spent on what it needs


class Delivery(Protocol):
    """Publishes outcomes and commits the offsets they finish. Used by the loop's thread alone."""

    @property
    def unfinished(self) -> int:
        """Outcomes published and not yet known to be stored."""
        ...

    def publish(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes, of one partition in the order in which their results must appear. Does not block."""
        ...

    def settle(self, now_s: float, *, timeout_s: float = inf) -> list[Outcome]:
        """Return the outcomes stored since the last call, and commit when it is time to, for `timeout_s` at most.

        Raises DeliveryFailed: call `restart` and replay. Raises Fatal: the process must end.
        """
        ...

    def drain(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Wait for every outcome, commit what is finished, and return as `settle` does.

        Raises as `settle`, and what kept it from committing: BrokerUnavailable when the time is over or it is
        `hurried`, AssignmentLost while the group rebalances (poll, and try again). What is not committed will be
        replayed.
        """
        ...

    def restart(self) -> list[Outcome]:
        """Forget what is in flight after a failure, and return it: none of it will be committed."""
        ...

    def reopen(self) -> None:
        """Make ready to publish again after `restart`. Raises BrokerUnavailable: not ready yet, call again."""
        ...

    def close(self) -> None:
        """Let go of the producer, and of what is in flight: it will not be committed."""
        ...
