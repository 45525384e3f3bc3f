"""Sending dead letters back to the input topic: the `replay` command.

Each dead letter is looked at once: a consumer group of its own keeps the place. Each that is sent back carries how
often that happened, so that one that fails for ever does not go round for ever.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from worker.broker.contract import Outgoing, Polled, Record, Sink, Source, TopicPartition
from worker.errors import AssignmentLost, BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed
from worker.wire.headers import Header, replayed_headers, replays_of
from worker.wire.reasons import Reason

POLL_S: Final = 0.5
POLL_RECORDS: Final = 500
AGAIN: Final = "What was not sent is looked at again by the next replay"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are sent back."""

    reasons: Collection[Reason] = ()  # all, when empty
    since: datetime | None = None  # of the time of failing; the bounds are optional, the later one is not included
    until: datetime | None = None
    most_replays: int = 1

    def why_not(self, record: Record) -> str | None:
        """Say why a dead letter stays, or None when it is to be sent back."""
        headers = dict(record.headers)
        if Header.REASON not in headers:
            return "not written by this worker"
        if self.reasons and reason_of(record) not in self.reasons:
            return "of another reason"
        if not self._in_time(headers.get(Header.FAILED_AT)):
            return "of another time"
        if replays_of(record) >= self.most_replays:
            return "sent back before"
        if not record.value and record.key is None:
            return "without key and value"
        return None

    def _in_time(self, failed_at: bytes | None) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            time = datetime.fromisoformat((failed_at or b"").decode())
        except ValueError:  # not written by this worker
            return False
        return (
            time.tzinfo is not None
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )


@dataclass(slots=True)
class Tally:
    """What became of the dead letters looked at."""

    sent: Counter[str] = field(default_factory=Counter)  # by reason
    kept: Counter[str] = field(default_factory=Counter)  # by why


def reason_of(record: Record) -> str:
    """Return why a record became a dead letter, as its header says."""
    return (dict(record.headers).get(Header.REASON) or b"").decode("utf-8", "replace")


def message_of(record: Record, topic: str) -> Outgoing:
    """Return the record as it was read once, with the count of its replays."""
    return Outgoing(topic, record.key, record.value, replayed_headers(record))


class Replay:
    """One pass over the dead letters that nobody has looked at yet.

    Without a sink it is a dry run: nothing is sent and no place is remembered.
    """

    def __init__(self, source: Source, sink: Sink | None, topic: str, wanted: Wanted, *, timeout_s: float) -> None:
        self.tally = Tally()
        self._source = source
        self._sink = sink
        self._topic = topic
        self._wanted = wanted
        self._timeout_s = timeout_s
        self._owned: set[TopicPartition] = set()

    def run(self, on_progress: Callable[[int, int], None]) -> None:
        """Go on to the end of the topic; `on_progress` hears how many were looked at, and how many are left.

        Raises BrokerUnreachable, and what a receipt says that did not become good.
        """
        while True:
            polled = self._source.poll(timeout_s=POLL_S, max_records=POLL_RECORDS)
            self._own(polled)
            why_not = [self._wanted.why_not(record) for record in polled.records]
            if self._sink is not None and polled.records:
                pairs = zip(polled.records, why_not, strict=True)
                self._send(self._sink, [record for record, why in pairs if why is None])
                self._remember(polled.records)
            self._count(polled.records, why_not)
            lag = self._source.lag()
            on_progress(len(polled.records), sum(lag.values()))
            if self._owned and not polled.records and all(lag.get(partition) == 0 for partition in self._owned):
                return

    def _own(self, polled: Polled) -> None:
        if polled.lost or polled.revoked:
            raise BrokerRefused(
                "another replay under the same group took partitions away. What was remembered is right: "
                "run it again when the other one is over"
            )
        self._owned |= polled.assigned

    def _count(self, records: Iterable[Record], why_not: Iterable[str | None]) -> None:
        for record, why in zip(records, why_not, strict=True):
            if why is None:
                self.tally.sent[reason_of(record)] += 1
            else:
                self.tally.kept[why] += 1

    def _send(self, sink: Sink, records: Iterable[Record]) -> None:
        receipts = [sink.send(message_of(record, self._topic)) for record in records]
        try:
            sink.flush(timeout_s=self._timeout_s)
        except BrokerUnavailable as exc:
            raise BrokerUnreachable(f"{exc}. {AGAIN}") from exc
        for receipt in receipts:
            if isinstance(receipt.error, DeliveryFailed):
                raise BrokerUnreachable(f"{receipt.error}. {AGAIN}")
            if receipt.error is not None:
                raise receipt.error

    def _remember(self, records: Iterable[Record]) -> None:
        next_offsets = {record.partition: record.offset + 1 for record in records}
        try:
            self._source.commit(next_offsets, timeout_s=self._timeout_s)
        except (AssignmentLost, BrokerUnavailable) as exc:
            raise BrokerUnreachable(f"{exc}. Some that were sent are looked at again by the next replay") from exc
