"""The fates of messages that are the same whichever client sends them."""

from worker.errors import BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed, TopicMissing, WorkerError


class Refused:
    """The receipt of a message that was never sent."""

    __slots__ = ("error",)
    done = True

    def __init__(self, error: WorkerError) -> None:
        self.error = error


def as_fate(error: WorkerError) -> WorkerError:
    """Make of what befell a topic what a receipt may tell: see `worker.broker.Receipt`."""
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
