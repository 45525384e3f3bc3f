"""The fates of messages that are the same whichever client sends them."""

import time
from typing import Final

from worker.errors import BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed, TopicMissing, WorkerError

_REMEMBER_S: Final = 1.0


class Refused:
    """The receipt of a message that was never sent."""

    __slots__ = ("error",)
    done = True

    def __init__(self, error: WorkerError) -> None:
        self.error = error


class Reasons:
    """Why a topic takes nothing, as found out a moment ago: a batch of messages must not wait for each to find out."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, WorkerError]] = {}  # topic: (stands until, why)

    def remember(self, topic: str, why: WorkerError) -> None:
        """What was found out now."""
        self._known[topic] = (time.monotonic() + _REMEMBER_S, why)

    def of(self, topic: str) -> WorkerError | None:
        """The reason, while it stands."""
        until_s, why = self._known.get(topic, (0.0, None))
        return why if time.monotonic() < until_s else None


def as_fate(error: WorkerError) -> WorkerError:
    """Make of what befell a topic what a receipt may tell: see `worker.broker.contract.Receipt`."""
    if isinstance(error, TopicMissing):
        return BrokerRefused(str(error))
    if isinstance(error, BrokerUnavailable | BrokerUnreachable):
        return DeliveryFailed(str(error))
    return error


def not_sent(topic: str, why: str = "") -> DeliveryFailed:
    """What becomes of a message that comes after one that failed."""
    return DeliveryFailed(f"a message to {topic} was not sent: another one failed before it{why}")


def unanswered(count: int, waited_s: float) -> BrokerUnavailable:
    """What a flush says of messages that have no fate yet."""
    return BrokerUnavailable(
        f"{count} messages are without an answer after {waited_s:.1f} s. Check the broker and the network"
    )
