"""Publishing a file of reviews: the `produce` command."""

import json
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from math import inf
from typing import Final

from worker.broker.clients import client_named
from worker.broker.cluster.admin import require_topics
from worker.broker.contract import Outgoing, Receipt, Sink
from worker.commands.review_files import FileFormat, Progress, ReviewRow, UnreadableRow, readable
from worker.commands.terminal import echo_json, open_reviews
from worker.errors import AccessDenied, BrokerUnavailable, BrokerUnreachable, DeliveryFailed
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings

# Bounds what the sink holds: it has no bound of its own.
MAX_IN_FLIGHT: Final = 5000
MAX_IN_FLIGHT_BYTES: Final = 32 * 1024 * 1024

CLOSE_TIMEOUT_S: Final = 5.0  # for what is in flight when the user interrupts


def publish_file(
    settings: Settings,
    source: str,
    file_format: FileFormat,
    *,
    topic: str | None,
    key_field: str,
    rate_per_s: float | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Publish the file `source` (`-`: stdin) to a topic (None: the input topic) and print a summary.

    Returns how many rows failed. Raises BrokerUnreachable, TopicMissing, AccessDenied, SettingsRejected.
    """
    topic = topic or settings.input_topic
    client, connection = client_named(settings.client), connect_with(settings)
    require_topics(connection, [topic])
    open_sink = client.sink_opener(connection, delivery_timeout_ms=settings.delivery_timeout_ms)
    timeout_s = settings.delivery_timeout_ms / 1000
    started_s = time.monotonic()
    with open_reviews(source, file_format, "Publishing") as (rows, progress):
        producer = ReviewProducer(open_sink(), topic, progress, key_field=key_field, timeout_s=timeout_s)
        try:
            publish(readable(islice(rows, limit), progress), producer, rate_per_s=rate_per_s)
        finally:
            producer.close()
            stored, took_s = producer.stored, time.monotonic() - started_s
            if as_json:
                echo_json({"published": stored, "failed": progress.failed, "topic": topic, "seconds": round(took_s, 3)})
            else:
                progress.print(f"published {stored} reviews to {topic} in {took_s:.1f} s, {stored / took_s:.0f}/s")
    return progress.failed


class ReviewProducer:
    """Sends reviews and checks every receipt.

    A review that failed only because another one was rejected is sent again. So each is stored at least once, and some
    may be stored twice.
    """

    def __init__(self, sink: Sink, topic: str, progress: Progress, *, key_field: str, timeout_s: float) -> None:
        self.stored = 0
        self._sink = sink
        self._topic = topic
        self._progress = progress
        self._key_field = key_field
        self._timeout_s = timeout_s
        self._in_flight: deque[tuple[ReviewRow, Receipt]] = deque()
        self._in_flight_bytes = 0
        self._failed: dict[ReviewRow, DeliveryFailed] = {}  # to be sent again

    def send(self, row: ReviewRow) -> None:
        """Send one review. Waits for the broker only when too much is in flight. Raises what `finish` raises."""
        self._send(row)
        self._settle()
        if self._failed or len(self._in_flight) >= MAX_IN_FLIGHT or self._in_flight_bytes >= MAX_IN_FLIGHT_BYTES:
            self.finish()
        self._progress.advance(1)

    def finish(self) -> None:
        """Wait until the broker has accepted or rejected every review.

        Raises AccessDenied and BrokerUnreachable, because the reviews that follow would fail in the same way.
        """
        failed_before: float = inf
        while self._failed or self._in_flight:
            try:
                self._sink.flush(timeout_s=self._timeout_s)  # until then the sink stores nothing after a failure
            except BrokerUnavailable as exc:
                raise BrokerUnreachable(str(exc)) from exc
            self._settle()
            failed, self._failed = self._failed, {}
            progressed = len(failed) < failed_before
            failed_before = len(failed)
            for row, error in failed.items():
                if progressed:
                    self._send(row)
                else:
                    self._reject(row, error)

    def close(self) -> None:
        """Close the sink, and count what it still stored."""
        self._sink.close(timeout_s=CLOSE_TIMEOUT_S)
        self._settle()

    def _send(self, row: ReviewRow) -> None:
        message = Outgoing(self._topic, key_of(row, self._key_field), row.value)
        self._in_flight.append((row, self._sink.send(message)))
        self._in_flight_bytes += len(row.value)

    def _settle(self) -> None:
        """Check the receipts that are done, oldest first."""
        while self._in_flight and self._in_flight[0][1].done:
            row, receipt = self._in_flight.popleft()
            self._in_flight_bytes -= len(row.value)
            if isinstance(receipt.error, AccessDenied):
                raise receipt.error
            if isinstance(receipt.error, DeliveryFailed):
                self._failed[row] = receipt.error
            elif receipt.error is not None:
                self._reject(row, receipt.error)
            else:
                self.stored += 1

    def _reject(self, row: ReviewRow, error: Exception) -> None:
        self._progress.fail(UnreadableRow(row.line, f"not stored: {error}"))


def publish(rows: Iterable[ReviewRow], producer: ReviewProducer, *, rate_per_s: float | None) -> None:
    """Send all rows, at most `rate_per_s`, and wait until the broker has accepted or rejected each."""
    started_s = time.monotonic()
    for sent, row in enumerate(rows):
        if rate_per_s is not None:
            time.sleep(due_in_s(sent, rate_per_s, time.monotonic() - started_s))
        producer.send(row)
    producer.finish()


def due_in_s(sent: int, rate_per_s: float, elapsed_s: float) -> float:
    """Return how long the next review has to wait. The rate is an average over the run: a delay is caught up."""
    return max(sent / rate_per_s - elapsed_s, 0.0)


def key_of(row: ReviewRow, field: str) -> bytes | None:
    """Return the record key, which is a field of the review; None if it has no such field."""
    value = row.review.review_id if field == "review_id" else json.loads(row.value).get(field)
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value)).encode()
