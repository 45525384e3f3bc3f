"""Receipts of both clients: the outcome of each message that was sent."""

import time
from collections.abc import Callable

from worker.broker.contract import Outgoing
from worker.errors import BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed, TopicMissing, WorkerError


class Sent:
    """The receipt of a message. The first outcome is final."""

    __slots__ = ("_serve", "error", "is_done", "sent_s", "size_bytes", "topic")

    def __init__(self, message: Outgoing, serve: Callable[[], None]) -> None:
        """`serve` asks the library for outcomes that it has not reported yet."""
        self.topic = message.topic
        self.size_bytes = len(message.key or b"") + len(message.value or b"")
        self.sent_s = time.monotonic()
        self.is_done = False  # `done` without asking
        self.error: WorkerError | None = None
        self._serve = serve

    @property
    def done(self) -> bool:
        """See Receipt."""
        if not self.is_done:
            self._serve()
        return self.is_done

    def settle(self, error: WorkerError | None) -> None:
        """Record the outcome, on any thread; None: the message is stored."""
        if not self.is_done:
            self.error = error
            self.is_done = True  # last: a thread that sees it must see the error


def as_outcome(error: WorkerError) -> WorkerError:
    """Turn what happened to a topic into what a receipt may hold: see `worker.broker.contract.Receipt`."""
    if isinstance(error, TopicMissing):
        return BrokerRefused(str(error))
    if isinstance(error, BrokerUnavailable | BrokerUnreachable):
        return DeliveryFailed(str(error))
    return error


def not_sent(topic: str, detail: str = "") -> DeliveryFailed:
    """Return the outcome of a message that comes after one that failed."""
    return DeliveryFailed(f"a message to {topic} was not sent: another one failed before it{detail}")
