"""Sending dead letters back to the input topic: the `replay` command.

A consumer group of its own commits the position, so each dead letter is read once. Each one that is sent back carries
a count of its replays, so that one that always fails does not circulate forever.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import click

from worker.broker.cluster.admin import require_topics
from worker.broker.contract import Outgoing, Record, Sink, Source, TopicPartition
from worker.broker.kafka_python.sink import KafkaSink
from worker.broker.kafka_python.source import KafkaSource
from worker.commands.terminal import countdown_bar, echo_json
from worker.errors import AssignmentLost, BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings
from worker.wire.headers import Header, replayed_headers, replays_of

POLL_S: Final = 0.5
POLL_RECORDS: Final = 500
CLOSE_TIMEOUT_S: Final = 5.0
AGAIN: Final = "The next replay reads again what was not sent"
RERUN: Final = "The committed position is right: run this again when the other one has ended"


@dataclass(frozen=True, slots=True)
class ReplayFilter:
    """Which dead letters are sent back."""

    reasons: Collection[str] = ()  # all, when empty
    since: datetime | None = None  # bounds of the time of failure; `until` is excluded
    until: datetime | None = None
    max_replays: int = 1

    def why_not(self, record: Record) -> str | None:
        """Return why a dead letter is skipped, or None when it is to be sent back."""
        headers = dict(record.headers)
        if Header.REASON not in headers:
            return "not written by this worker"
        if self.reasons and reason_of(record) not in self.reasons:
            return "of another reason"
        if not self._in_time(headers.get(Header.FAILED_AT)):
            return "of another time"
        if replays_of(record) >= self.max_replays:
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
        if time.tzinfo is None:
            return False
        return (self.since is None or self.since <= time) and (self.until is None or time < self.until)


def reason_of(record: Record) -> str:
    """Return why a record became a dead letter, as its header says."""
    return (dict(record.headers).get(Header.REASON) or b"").decode("utf-8", "replace")


def message_of(record: Record, topic: str) -> Outgoing:
    """Return the record as it was first read, with the count of its replays."""
    return Outgoing(topic, record.key, record.value, replayed_headers(record))


def replay_dead_letters(settings: Settings, wanted: ReplayFilter, *, dry_run: bool, as_json: bool) -> None:
    """Send the dead letters that no replay has read yet back to the input topic, and print the counts.

    Raises BrokerUnreachable, TopicMissing, AccessDenied, BrokerRefused, SettingsRejected.
    """
    connection = connect_with(settings)
    require_topics(connection, [settings.dlq_topic, settings.input_topic])
    # Not the client of the settings: confluent-kafka drops headers whose name is not UTF-8.
    source = KafkaSource(connection, topic=settings.dlq_topic, group_id=f"{settings.group_id}.replay")
    sink = None if dry_run else KafkaSink(connection, delivery_timeout_ms=settings.delivery_timeout_ms)
    replay = Replay(source, sink, settings.input_topic, wanted, timeout_s=settings.delivery_timeout_ms / 1000)
    try:
        with countdown_bar("Replaying") as advance:
            replay.run(advance)
    finally:
        source.close(timeout_s=CLOSE_TIMEOUT_S)
        if sink is not None:
            sink.close(timeout_s=CLOSE_TIMEOUT_S)
        _print_counts(replay, dry_run=dry_run, as_json=as_json)


def _print_counts(replay: "Replay", *, dry_run: bool, as_json: bool) -> None:
    sent, skipped = replay.sent.total(), replay.skipped.total()
    if as_json:
        counts = {"sent": replay.sent, "left": replay.skipped, "dry_run": dry_run}
        echo_json(counts | {"sent_total": sent, "left_total": skipped})
        return
    for what, by_why in (("would send" if dry_run else "sent", replay.sent), ("left", replay.skipped)):
        for why, count in sorted(by_why.items()):
            click.echo(f"{what} {count}: {why}", err=True)
    click.echo(f"{sent} of {sent + skipped} dead letters", err=True)


class Replay:
    """One pass over the dead letters that no replay has read yet.

    Without a sink it is a dry run: nothing is sent and no position is committed.
    """

    def __init__(
        self, source: Source, sink: Sink | None, topic: str, wanted: ReplayFilter, *, timeout_s: float
    ) -> None:
        self.sent: Counter[str] = Counter()  # by reason of the dead letter
        self.skipped: Counter[str] = Counter()  # by why it was skipped
        self._source = source
        self._sink = sink
        self._topic = topic
        self._wanted = wanted
        self._timeout_s = timeout_s

    def run(self, on_progress: Callable[[int, int], None]) -> None:
        """Read to the end of the topic. `on_progress` gets how many were read since its last call, and how many remain.

        Raises BrokerUnreachable, and the error of any receipt that failed.
        """
        owned: set[TopicPartition] = set()
        while True:
            polled = self._source.poll(timeout_s=POLL_S, max_records=POLL_RECORDS)
            if polled.lost or polled.revoked:
                raise BrokerRefused(f"another replay in the same group took partitions away. {RERUN}")
            owned |= polled.assigned
            why_not = [self._wanted.why_not(record) for record in polled.records]
            sent = [record for record, why in zip(polled.records, why_not, strict=True) if why is None]
            if self._sink is not None and polled.records:
                self._send(self._sink, sent)
                self._commit(polled.records)
            self.sent.update(map(reason_of, sent))
            self.skipped.update(filter(None, why_not))
            lag = self._source.lag()
            on_progress(len(polled.records), sum(lag.values()))
            if owned and not polled.records and all(lag.get(partition) == 0 for partition in owned):
                return

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

    def _commit(self, records: Iterable[Record]) -> None:
        next_offsets = {record.partition: record.offset + 1 for record in records}
        try:
            self._source.commit(next_offsets, timeout_s=self._timeout_s)
        except (AssignmentLost, BrokerUnavailable) as exc:
            raise BrokerUnreachable(f"{exc}. The next replay sends some of them again") from exc
