"""What each input record becomes: a result, a dead letter or a tombstone, addressed and ready to send. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import worker
from model.predictor import ModelInfo
from worker.broker.contract import Headers, Outgoing, Record
from worker.wire.messages import Model, Reason, ScoredEncoder, Verdict, dead_letter_headers, handler_headers, provenance
from worker.wire.score import Score


@dataclass(frozen=True, slots=True)
class Target:
    """A topic that results go to."""

    topic: str
    # The partition is kept where input and target count the same; what the input grows by later goes by its key.
    partitions: int
    keeps_partition: bool

    def partition_for(self, record: Record) -> int | None:
        """Return the record's own partition, or None to choose by the hash of the key."""
        partition = record.partition.partition
        return partition if self.keeps_partition and partition < self.partitions else None


class Outcome(NamedTuple):
    """What one record became, and which record it was."""

    record: Record
    generation: int
    message: Outgoing
    review_id: str | None = None  # of a result, as its `verdict`
    verdict: Verdict | None = None
    dead_because: Reason | None = None  # of a dead letter, as `error`
    error: str | None = None


def latencies_s(outcomes: Iterable[Outcome], now_s: float) -> list[float]:
    """From the timestamp of each record that has one until `now_s`, epoch seconds; 0 where it lies in the future."""
    stamps_ms = [outcome.record.timestamp_ms for outcome in outcomes]
    return [max(0.0, now_s - stamp_ms / 1000) for stamp_ms in stamps_ms if stamp_ms is not None]


class Outcomes:
    """Makes outcomes; knows where they go and who made them."""

    def __init__(self, *, output: Target, dlq: Target, model: ModelInfo) -> None:
        self._output = output
        self._dlq = dlq
        self.serve(model)

    def serve(self, model: ModelInfo) -> None:
        """Name this model in what is made from now on."""
        made_by = Model(name=model.name, version=model.version, sha256=model.sha256)
        self._encoder = ScoredEncoder(made_by)
        self._handled_by = handler_headers(worker_version=worker.__version__, model=made_by)

    def scored(self, record: Record, generation: int, review_id: str, score: Score, *, at_s: float) -> Outcome:
        """Return the result of a review scored at `at_s`, epoch seconds."""
        verdict = Verdict.of(score.probability)
        value = self._encoder.encode(record, review_id, score, verdict, scored_at_s=at_s)
        message = self._address(self._output, record, value, provenance(record, self._handled_by))
        return Outcome(record, generation, message, review_id, verdict)

    def dead_letter(self, record: Record, generation: int, reason: Reason, error: str, *, at_s: float) -> Outcome:
        """Return the record's own bytes, with headers that say what was wrong with them."""
        headers = dead_letter_headers(
            record,
            reason=reason,
            error=error,
            failed_at=datetime.fromtimestamp(at_s, tz=UTC),
            handled_by=self._handled_by,
        )
        # A tombstone without a key can not be written again as it was: Kafka clients ask for a key or a value.
        value = b"" if record.value is None and record.key is None else record.value
        message = self._address(self._dlq, record, value, headers)
        return Outcome(record, generation, message, dead_because=reason, error=error)

    def tombstone(self, record: Record, generation: int) -> Outcome:
        """Return a null value under the same key, so that compaction removes the result as well."""
        message = self._address(self._output, record, None, provenance(record, self._handled_by))
        return Outcome(record, generation, message)

    @staticmethod
    def _address(target: Target, record: Record, value: bytes | None, headers: Headers) -> Outgoing:
        return Outgoing(target.topic, record.key, value, headers, target.partition_for(record))
