"""What the sinks of both clients share: one failure ends the library's producer, and `flush` opens another."""

import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from worker.broker.connection import Connection
from worker.broker.contract import Outgoing, Receipt
from worker.broker.deadline import Deadline
from worker.broker.receipts import Sent, as_outcome, not_sent
from worker.errors import BrokerRefused, BrokerUnavailable, BrokerUnreachable, WorkerError

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024  # keeps absurd messages off the wire; the topic has its own limit
METADATA_S: Final = 2.0  # the most a send may wait to learn where a topic's partitions are
RETRY_BACKOFF_MS: Final = 20
BATCH_BYTES: Final = 262_144
DELIVERY_TIMEOUT_MS: Final = 120_000
SLICE_S: Final = 0.1
LAST_ANSWERS_S: Final = 1.0  # for outcomes that are on their way when a producer is shut down
OPEN_S: Final = 10.0  # for the coordinator to end a transaction that an earlier producer left open
_REMEMBER_S: Final = 1.0


class ClientSink(ABC):
    """See `worker.broker.contract.Sink`. A subclass drives one library's producer."""

    def __init__(self, connection: Connection, learned: dict[str, Any] | None) -> None:
        """Take and extend what earlier sinks `learned`: settings of the library. See `opener`."""
        self._connection = connection
        self._learned = {} if learned is None else learned
        self._in_flight: deque[Sent] = deque()
        self._unusable: dict[str, tuple[Deadline, WorkerError]] = {}  # topics that accept nothing: for how long, why
        self._ended = False  # a message failed: nothing is sent until `flush`
        self._closed = False

    def send(self, message: Outgoing) -> Receipt:
        """See Sink."""
        self._refuse_if_closed()
        self._drop_done()
        receipt = Sent(message, self._serve)
        error = self._reason_against(message) or self._hand_over(message, receipt)
        if error is not None:
            self._end()
            receipt.settle(error)
            return receipt
        self._in_flight.append(receipt)
        # It may have come since: what was in flight at that moment has this outcome already, `receipt` not.
        if (refusal := self._refusal(message.topic)) is not None:
            receipt.settle(refusal)
        return receipt

    def flush(self, *, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """See Sink."""
        self._refuse_if_closed()
        self._await_outcomes(timeout_s, hurried)
        if self._ended:
            self._recover()

    def close(self, *, timeout_s: float) -> None:
        """See Sink."""
        if self._closed:
            return
        with contextlib.suppress(BrokerUnavailable):
            self._await_outcomes(timeout_s)
        self._shut_down()
        self._closed = True

    def _reason_against(self, message: Outgoing) -> WorkerError | None:
        """Return the outcome of a message that cannot be sent, as far as we know without the library."""
        if message.key is None and message.value is None:
            return BrokerRefused(f"a message to {message.topic} has neither key nor value: give it one of them")
        if (refusal := self._refusal(message.topic)) is not None:
            return refusal
        if (known := self._unusable.get(message.topic)) is not None and not known[0].over:
            return known[1]
        return not_sent(message.topic) if self._ended else None

    def _unusable_topic(self, topic: str, error: WorkerError) -> WorkerError:
        """Return the outcome of a message to it. The other messages of a batch get it without asking again."""
        outcome = as_outcome(error)
        self._unusable[topic] = Deadline(_REMEMBER_S), outcome
        return outcome

    def _await_outcomes(self, timeout_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        deadline = Deadline(timeout_s)
        self._serve()
        self._drop_done()
        while self._in_flight:
            if deadline.over or hurried():
                count = sum(not receipt.is_done for receipt in self._in_flight)
                raise BrokerUnavailable(
                    f"{count} messages are without an answer after {deadline.elapsed_s:.1f} s. Check the broker and "
                    "the network"
                )
            self._wait(deadline)
            self._drop_done()

    def _recover(self) -> None:
        """Go on with another producer."""
        self._shut_down()
        self._open()

    def _end(self) -> None:
        """Send nothing more. Called on any thread."""
        self._ended = True
        self._stop_sending()

    def _drop_done(self) -> None:
        while self._in_flight and self._in_flight[0].is_done:
            self._in_flight.popleft()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the sink is closed")

    @abstractmethod
    def _open(self) -> None:
        """Open the library's producer, and set `_ended` to False."""

    @abstractmethod
    def _hand_over(self, message: Outgoing, receipt: Sent) -> WorkerError | None:
        """Give the library a message. Returns its outcome where the library does not accept it."""

    @abstractmethod
    def _refusal(self, topic: str) -> WorkerError | None:
        """Return the outcome for a message where the cluster refuses this client's login or certificate."""

    @abstractmethod
    def _serve(self) -> None:
        """Settle the receipts whose outcome the library has."""

    @abstractmethod
    def _wait(self, deadline: Deadline) -> None:
        """Wait for outcomes, for at most SLICE_S."""

    @abstractmethod
    def _stop_sending(self) -> None:
        """Drop what the library has not sent yet."""

    @abstractmethod
    def _shut_down(self) -> None:
        """End the library's producer; every receipt that is not settled by then fails."""


def no_answer(transactional_id: str) -> BrokerUnavailable:
    """Return the error of a transaction whose coordinator did not answer in time."""
    return BrokerUnavailable(f"no answer about the transaction of {transactional_id}. Check the broker and the network")


S = TypeVar("S")


def opener(sink: Callable[..., S], connection: Connection, **settings: Any) -> Callable[[], S]:
    """Return what opens sinks, each with what the earlier ones `learned`.

    No answer is BrokerUnreachable until one was opened, BrokerUnavailable later.
    """
    learned: dict[str, Any] = {}
    opened = False

    def open_sink() -> S:
        nonlocal opened
        try:
            new = sink(connection, learned=learned, **settings)
        except BrokerUnavailable as exc:
            if opened:
                raise
            raise BrokerUnreachable(str(exc)) from exc
        opened = True
        return new

    return open_sink
