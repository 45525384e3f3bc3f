"""Publishing reviews from files: the `produce` command."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from worker.broker.contract import Outgoing, Receipt, Sink
from worker.commands.review_files import Row, Unreadable
from worker.errors import AccessDenied, BrokerUnavailable, BrokerUnreachable, DeliveryFailed

# Bounds what the sink holds: it has no bound of its own.
MAX_IN_FLIGHT: Final = 5000
MAX_IN_FLIGHT_BYTES: Final = 32 * 1024 * 1024

CLOSE_TIMEOUT_S: Final = 5.0  # for what is in flight when the user interrupts


class Publisher:
    """Sends reviews and follows every receipt.

    What failed through no fault of its own is sent again, at least once altogether: beside a review that the broker
    refuses, others may be stored twice.
    """

    def __init__(
        self, sink: Sink, topic: str, *, key_field: str, timeout_s: float, on_failure: Callable[[Unreadable], None]
    ) -> None:
        self.stored = 0
        self.failed = 0
        self._sink = sink
        self._topic = topic
        self._key_field = key_field
        self._timeout_s = timeout_s
        self._on_failure = on_failure
        self._in_flight: deque[tuple[Row, Receipt]] = deque()
        self._in_flight_bytes = 0

    def send(self, row: Row) -> None:
        """Hand over one review; waits for the broker only when too much is in flight. Raises as `finish`."""
        self._hand_over(row)
        lost = self._settle()
        if lost or len(self._in_flight) >= MAX_IN_FLIGHT or self._in_flight_bytes >= MAX_IN_FLIGHT_BYTES:
            self._finish(lost)

    def finish(self) -> None:
        """Wait until each fate is known. Raises AccessDenied and BrokerUnreachable: later reviews would fare alike."""
        self._finish({})

    def fail(self, row: Unreadable) -> None:
        """Count and tell a review that is not stored."""
        self.failed += 1
        self._on_failure(row)

    def close(self) -> None:
        """Count what still gets through, and let go."""
        self._sink.close(timeout_s=CLOSE_TIMEOUT_S)
        self._settle()

    def _hand_over(self, row: Row) -> None:
        message = Outgoing(self._topic, key_of(row, self._key_field), row.value)
        self._in_flight.append((row, self._sink.send(message)))
        self._in_flight_bytes += len(row.value)

    def _finish(self, lost: dict[Row, DeliveryFailed]) -> None:
        tried: float = inf
        while lost or self._in_flight:
            try:
                self._sink.flush(timeout_s=self._timeout_s)  # before it, the sink takes nothing again
            except BrokerUnavailable as exc:
                raise BrokerUnreachable(str(exc)) from exc
            lost |= self._settle()
            again = len(lost) < tried  # else nothing gets through any more
            tried = len(lost)
            for row, error in lost.items():
                if again:
                    self._hand_over(row)
                else:
                    self._fail_to_store(row, error)
            lost = {}

    def _settle(self) -> dict[Row, DeliveryFailed]:
        """Count the fates that are known, oldest first; return what has to be sent again."""
        lost = {}
        while self._in_flight and self._in_flight[0][1].done:
            row, receipt = self._in_flight.popleft()
            self._in_flight_bytes -= len(row.value)
            if isinstance(receipt.error, AccessDenied):
                raise receipt.error
            if isinstance(receipt.error, DeliveryFailed):
                lost[row] = receipt.error
            elif receipt.error is not None:
                self._fail_to_store(row, receipt.error)
            else:
                self.stored += 1
        return lost

    def _fail_to_store(self, row: Row, error: Exception) -> None:
        self.fail(Unreadable(row.line, f"not stored: {error}"))


def publish(
    rows: Iterable[Row | Unreadable],
    publisher: Publisher,
    *,
    rate_per_s: float | None,
    on_progress: Callable[[int], None],
) -> None:
    """Send all rows, at most `rate_per_s`, and wait until the fate of each is known."""
    begun_s = time.monotonic()
    sent = 0
    for row in rows:
        if isinstance(row, Unreadable):
            publisher.fail(row)
        else:
            if rate_per_s is not None:
                time.sleep(due_in_s(sent, rate_per_s, time.monotonic() - begun_s))
            publisher.send(row)
            sent += 1
        on_progress(1)
    publisher.finish()


def due_in_s(sent: int, rate_per_s: float, elapsed_s: float) -> float:
    """Return how long the next review has to wait; the rate holds for the whole run, so that a pause is made up."""
    return max(sent / rate_per_s - elapsed_s, 0.0)


def key_of(row: Row, field: str) -> bytes | None:
    """Return the record key that a field of the review gives, None where it has none."""
    value = row.review.review_id if field == "review_id" else json.loads(row.value).get(field)
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value)).encode()
