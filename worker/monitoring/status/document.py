"""`/status.json`: what the worker is and does, for scripts and for the status page. Pure.

Its JSON Schema in `docs/schemas/` is generated from this file. Fields may be added. A field that is renamed, removed
or given another meaning needs a new `status_version`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

import worker
from worker.monitoring.health import Health, State
from worker.monitoring.observer import Standing
from worker.monitoring.status.history import SLOT_S, Period, merged
from worker.monitoring.status.recorder import Entry, Seen
from worker.scoring.batcher import Trigger
from worker.scoring.pricing import Budget, Why
from worker.settings.schema import Settings
from worker.wire.reasons import Reason

STATUS_VERSION: Final = 1
SLOTS_OF_A_MINUTE: Final = round(60 / SLOT_S)


When = Callable[[float], datetime]  # the date of a monotonic time


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


P = TypeVar("P", bound=_Part)


class ModelStatus(_Part):
    """The model that scores."""

    name: str
    version: str
    sha256: str = Field(description="Digest of the artifact's manifest.")
    engine: str = Field(description="What computes it, in words.")


class PartitionStatus(_Part):
    """One partition that this worker owns."""

    topic: str
    partition: int
    lag: int | None = Field(description="Records not read yet; null until a fetch returns it.")


class AssignmentStatus(_Part):
    """The partitions and what is held of them when the loop last looked, about once a second."""

    at: datetime
    partitions: list[PartitionStatus]
    held_records: int = Field(description="Read and not finished.")
    held_bytes: int

    @property
    def lag(self) -> int | None:
        """Records not read yet in all partitions whose lag is known; None if none is."""
        known = [partition.lag for partition in self.partitions if partition.lag is not None]
        return sum(known) if known else None


class StoredStatus(_Part):
    """What the broker stored in a period."""

    began_at: datetime
    ended_at: datetime
    reviews: int = Field(description="Results.")
    reviews_per_s: float
    dead_letters: int
    p50_s: float | None = Field(
        description="Median time from the record's timestamp until its result is stored, within 10 %; null without one."
    )
    p99_s: float | None


class BatchingStatus(_Part):
    """How large the next batch may be, and why."""

    budget_tokens: int = Field(description="Padded tokens of one batch.")
    why: Why = Field(
        description="fixed: no latency target is set; learning: no batch was computed yet; target: the largest that "
        "meets the latency target; behind: the waiting reviews take longer than the target, so batches are the largest."
    )
    target_s: float | None = Field(description="The latency target, if one is set.")
    batch_s: float | None = Field(description="Fixed cost of a batch in the engine, estimated.")
    token_s: float | None = Field(description="Cost of each padded token, estimated.")


class BatchStatus(_Part):
    """One batch that the engine has finished."""

    at: datetime
    reviews: int
    trigger: Trigger = Field(description="Why it was sent to the engine.")
    tokens: int
    padding_ratio: float = Field(description="Share of padding in what the engine computed.")
    waited_s: float = Field(description="How long its oldest review waited for the engine.")
    inference_s: float


class DeadLetterStatus(_Part):
    """One dead letter; the coordinates are those of the input record."""

    at: datetime
    topic: str
    partition: int
    offset: int
    reason: Reason
    error: str


class ReviewStatus(_Part):
    """One result; a long id is cut."""

    at: datetime
    review_id: str
    sentiment: Literal["positive", "negative"]
    score: float


class SettingStatus(_Part):
    """One setting that is in force; secrets are masked."""

    value: str | int | float | bool | None
    changed: bool = Field(description="Whether it differs from the default.")


class StatusDocument(_Part, title="Status"):
    """What a worker is and does at one moment. Lists begin with the newest entry, `slots` with the oldest."""

    status_version: Literal[1] = STATUS_VERSION
    at: datetime
    state: State
    reason: str = Field(description="Why, in words.")
    live: bool
    ready: bool
    uptime_s: float
    last_turn_age_s: float = Field(description="Seconds since the last loop iteration; large means stuck.")
    version: str = Field(description="Of the worker.")
    model: ModelStatus | None = Field(description="Null until it is loaded.")
    assignment: AssignmentStatus | None = Field(description="Null until the loop turns.")
    last_minute: StoredStatus
    last_15_minutes: StoredStatus
    slots: list[StoredStatus] = Field(
        description=f"The last 15 minutes, {SLOT_S:g} s each, without the one that is still being filled."
    )
    batching: BatchingStatus | None = Field(description="Null until the loop turns.")
    batches: list[BatchStatus]
    dead_letters: list[DeadLetterStatus]
    reviews: list[ReviewStatus] | None = Field(description="Null when `status_reviews` is off.")
    settings: dict[str, SettingStatus]


def status_document(seen: Seen, health: Health, settings: Settings, *, now_s: float, at: datetime) -> StatusDocument:
    """Describe the worker, and judge its state, at `now_s`, monotonic seconds; `at` is the date of that moment."""

    def when(at_s: float) -> datetime:
        return at.astimezone(UTC) - timedelta(seconds=now_s - at_s)

    state, reason = health.state(now_s)
    return StatusDocument(
        at=at,
        state=state,
        reason=reason,
        live=health.live(now_s)[0],
        ready=health.ready(now_s)[0],
        uptime_s=now_s - seen.began_s,
        last_turn_age_s=health.turn_age_s(now_s),
        version=worker.__version__,
        model=None if seen.model is None else ModelStatus.model_validate(seen.model, from_attributes=True),
        assignment=None if seen.standing is None else _assignment(seen.standing, when),
        last_minute=_stored(merged(seen.periods[-SLOTS_OF_A_MINUTE:]), when),
        last_15_minutes=_stored(merged(seen.periods), when),
        slots=[_stored(period, when) for period in seen.periods[:-1]],
        batching=None if seen.standing is None else _batching(seen.standing.budget),
        batches=[_dated(BatchStatus, batch, when) for batch in seen.batches],
        dead_letters=[_dated(DeadLetterStatus, letter, when) for letter in seen.dead_letters],
        reviews=None if seen.reviews is None else [_dated(ReviewStatus, review, when) for review in seen.reviews],
        settings=_settings(settings),
    )


def _assignment(standing: Standing, when: When) -> AssignmentStatus:
    return AssignmentStatus(
        at=when(standing.at_s),
        partitions=[
            PartitionStatus(topic=topic, partition=partition, lag=lag)
            for (topic, partition), lag in standing.lag.items()
        ],
        held_records=standing.held_records,
        held_bytes=standing.held_bytes,
    )


def _stored(period: Period, when: When) -> StoredStatus:
    return StoredStatus(
        began_at=when(period.began_s),
        ended_at=when(period.ended_s),
        reviews=period.scored,
        reviews_per_s=period.scored_per_s,
        dead_letters=period.dead_letters,
        p50_s=period.quantile_s(0.5),
        p99_s=period.quantile_s(0.99),
    )


def _batching(budget: Budget) -> BatchingStatus:
    prices = budget.prices
    return BatchingStatus(
        budget_tokens=budget.tokens,
        why=budget.why,
        target_s=budget.target_s,
        batch_s=None if prices is None else prices.batch_s,
        token_s=None if prices is None else prices.token_s,
    )


def _dated(part: type[P], entry: Entry, when: When) -> P:
    """Return `part` with the fields of `entry`, at its date."""
    return part.model_validate({**entry.fields, "at": when(entry.at_s)})


def _settings(settings: Settings) -> dict[str, SettingStatus]:
    return {
        name: SettingStatus.model_validate(
            {"value": value, "changed": getattr(settings, name) != Settings.model_fields[name].default}
        )
        for name, value in settings.masked().items()
    }
