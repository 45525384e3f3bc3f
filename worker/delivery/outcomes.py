"""Turns each input record into a message to send: a result, a dead letter or a tombstone. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import worker
from model.predictor import ModelInfo
from worker.broker.contract import Headers, Outgoing, Record
from worker.wire.headers import dead_letter_headers, handler_headers, provenance
from worker.wire.reasons import Reason
from worker.wire.scored import Model, Score, ScoredEncoder, Verdict


@dataclass(frozen=True, slots=True)
class Target:
    """An output topic, and how a partition of it is chosen."""

    topic: str
    partitions: int
    keeps_partition: bool  # for partitions that both topics have, because the input topic may grow later

    def partition_for(self, record: Record) -> int | None:
        """Return the record's own partition, or None to choose by the hash of the key."""
        partition = record.partition.partition
        return partition if self.keeps_partition and partition < self.partitions else None


class Outcome(NamedTuple):
    """One input record and the message for it. A tombstone has none of the optional fields."""

    record: Record
    generation: int
    message: Outgoing
    review_id: str | None = None  # only a result has this and `verdict`
    verdict: Verdict | None = None
    dead_because: Reason | None = None  # only a dead letter has this and `error`
    error: str | None = None


def latencies_s(outcomes: Iterable[Outcome], now_s: float) -> list[float]:
    """Return the seconds from each record's timestamp to `now_s`, epoch seconds; 0 for a timestamp in the future.

    Records without a timestamp are left out.
    """
    stamps_ms = [outcome.record.timestamp_ms for outcome in outcomes]
    return [max(0.0, now_s - stamp_ms / 1000) for stamp_ms in stamps_ms if stamp_ms is not None]


class Outcomes:
    """Makes outcomes. Holds what they have in common: the topics, the model, the version of the worker."""

    def __init__(self, *, output: Target, dlq: Target, model: ModelInfo) -> None:
        self._output = output
        self._dlq = dlq
        self.serve(model)

    def serve(self, model: ModelInfo) -> None:
        """Name this model in all outcomes made from now on."""
        served = Model.of(model)
        self._encoder = ScoredEncoder(served)
        self._handled_by = handler_headers(worker_version=worker.__version__, model=served)

    def scored(self, record: Record, generation: int, review_id: str, score: Score, *, at_s: float) -> Outcome:
        """Return the result of a review scored at `at_s`, epoch seconds."""
        verdict = Verdict.of(score.probability)
        value = self._encoder.encode(record, review_id, score, verdict, scored_at_s=at_s)
        message = self._address(self._output, record, value, provenance(record, self._handled_by))
        return Outcome(record, generation, message, review_id, verdict)

    def dead_letter(self, record: Record, generation: int, reason: Reason, error: str, *, at_s: float) -> Outcome:
        """Return the unchanged record, with headers that say why it failed."""
        headers = dead_letter_headers(
            record,
            reason=reason,
            error=error,
            failed_at=datetime.fromtimestamp(at_s, tz=UTC),
            handled_by=self._handled_by,
        )
        # Kafka clients refuse a message with neither key nor value, so it gets an empty value.
        value = b"" if record.value is None and record.key is None else record.value
        message = self._address(self._dlq, record, value, headers)
        return Outcome(record, generation, message, dead_because=reason, error=error)

    def tombstone(self, record: Record, generation: int) -> Outcome:
        """Return a null value with the same key, so that compaction removes the result too."""
        message = self._address(self._output, record, None, provenance(record, self._handled_by))
        return Outcome(record, generation, message)

    @staticmethod
    def _address(target: Target, record: Record, value: bytes | None, headers: Headers) -> Outgoing:
        return Outgoing(target.topic, record.key, value, headers, target.partition_for(record))
