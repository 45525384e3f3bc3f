"""`/status.json`: what the worker is and does, for scripts and for the page. Pure.

Its JSON Schema in `docs/schemas/` is generated from this file. Fields may be added, never renamed, removed or given
another meaning without a new `status_version`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

import worker
from worker.monitoring.health import Health, State
from worker.monitoring.status.history import SLOT_S, Span, together
from worker.monitoring.status.recorder import Seen, SeenBatch, SeenDeadLetter, SeenReview, Standing
from worker.scoring.batcher import Trigger
from worker.scoring.pricing import Budget, Why
from worker.settings.schema import Settings
from worker.wire.reasons import Reason

STATUS_VERSION: Final = 1
SLOTS_OF_A_MINUTE: Final = round(60 / SLOT_S)


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


class ModelStatus(_Part):
    """The model that scores."""

    name: str
    version: str
    sha256: str = Field(description="Digest of the artifact's manifest.")
    engine: str = Field(description="What runs it, for people.")


class PartitionStatus(_Part):
    """One partition that this worker owns."""

    topic: str
    partition: int
    lag: int | None = Field(description="Records not read yet; null while no fetch has told.")


class AssignmentStatus(_Part):
    """The partitions, and what is held of them, as the loop saw it last; it looks once a second."""

    at: datetime
    partitions: list[PartitionStatus]
    held_records: int = Field(description="Read and not finished.")
    held_bytes: int


class StoredStatus(_Part):
    """What the broker stored within a time."""

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
    """How large the next batch may be, and what that was chosen from."""

    budget_tokens: int = Field(description="Padded tokens of one batch.")
    why: Why = Field(
        description="fixed: no latency target is set; learning: no batch was computed yet; target: what the target "
        "leaves time for; behind: what waits takes longer than the target, so the largest is the soonest."
    )
    target_s: float | None = Field(description="The latency target, if one is set.")
    batch_s: float | None = Field(description="What the engine takes for a batch, whatever is in it, as learned.")
    token_s: float | None = Field(description="What it takes for each padded token, as learned.")


class BatchStatus(_Part):
    """One batch that the engine has finished."""

    at: datetime
    reviews: int
    trigger: Trigger = Field(description="What made it leave.")
    tokens: int
    padding_ratio: float = Field(description="Padding / what the engine computed over.")
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


class StatusDocument(_Part):
    """What a worker is and does at one moment. Of lists the newest comes first, of slots the oldest."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, title="Status")

    status_version: Literal[1] = STATUS_VERSION
    at: datetime
    state: State
    reason: str = Field(description="Why, in words.")
    live: bool
    ready: bool
    uptime_s: float
    last_turn_age_s: float = Field(description="Since the loop came around; it hangs if long.")
    version: str = Field(description="Of the worker.")
    model: ModelStatus | None = Field(description="Null until it is loaded.")
    assignment: AssignmentStatus | None = Field(description="Null until the loop turns.")
    last_minute: StoredStatus
    last_15_minutes: StoredStatus
    slots: list[StoredStatus] = Field(
        description=f"The last 15 minutes, {SLOT_S:g} s each; the one under way is left out."
    )
    batching: BatchingStatus | None = Field(description="Null until the loop turns.")
    batches: list[BatchStatus]
    dead_letters: list[DeadLetterStatus]
    reviews: list[ReviewStatus] | None = Field(description="Null when `status_reviews` is off.")
    settings: dict[str, SettingStatus]


def status_document(seen: Seen, health: Health, settings: Settings, *, now_s: float, at: datetime) -> StatusDocument:
    """Say how things are at `now_s`, monotonic, which is `at`. The state is judged now, not when the loop looked."""
    when = _Calendar(now_s, at)
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
        last_minute=_stored(together(seen.spans[-SLOTS_OF_A_MINUTE:]), when),
        last_15_minutes=_stored(together(seen.spans), when),
        slots=[_stored(span, when) for span in seen.spans[:-1]],
        batching=None if seen.standing is None else _batching(seen.standing.budget),
        batches=[_batch(batch, when) for batch in seen.batches],
        dead_letters=[_dead_letter(dead_letter, when) for dead_letter in seen.dead_letters],
        reviews=_reviews(seen.reviews, when),
        settings=_settings(settings),
    )


class _Calendar:
    """Turns monotonic times into dates."""

    def __init__(self, now_s: float, at: datetime) -> None:
        self._now_s = now_s
        self._at = at.astimezone(UTC)

    def __call__(self, at_s: float) -> datetime:
        return self._at - timedelta(seconds=self._now_s - at_s)


def _assignment(standing: Standing, when: _Calendar) -> AssignmentStatus:
    return AssignmentStatus(
        at=when(standing.at_s),
        partitions=[
            PartitionStatus(topic=topic, partition=partition, lag=lag)
            for (topic, partition), lag in standing.lag.items()
        ],
        held_records=standing.held_records,
        held_bytes=standing.held_bytes,
    )


def _stored(span: Span, when: _Calendar) -> StoredStatus:
    return StoredStatus(
        began_at=when(span.began_s),
        ended_at=when(span.ended_s),
        reviews=span.scored,
        reviews_per_s=span.scored_per_s,
        dead_letters=span.dead_letters,
        p50_s=span.quantile_s(0.5),
        p99_s=span.quantile_s(0.99),
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


def _batch(batch: SeenBatch, when: _Calendar) -> BatchStatus:
    return BatchStatus(
        at=when(batch.finished_s),
        reviews=batch.reviews,
        trigger=batch.trigger,
        tokens=batch.tokens,
        padding_ratio=batch.padding_ratio,
        waited_s=batch.waited_s,
        inference_s=batch.inference_s,
    )


def _dead_letter(letter: SeenDeadLetter, when: _Calendar) -> DeadLetterStatus:
    topic, partition = letter.partition
    return DeadLetterStatus(
        at=when(letter.stored_s),
        topic=topic,
        partition=partition,
        offset=letter.offset,
        reason=letter.reason,
        error=letter.error,
    )


def _reviews(reviews: Sequence[SeenReview] | None, when: _Calendar) -> list[ReviewStatus] | None:
    if reviews is None:
        return None
    return [
        ReviewStatus(
            at=when(review.stored_s), review_id=review.review_id, sentiment=review.sentiment, score=review.score
        )
        for review in reviews
    ]


def _settings(settings: Settings) -> dict[str, SettingStatus]:
    return {
        name: SettingStatus.model_validate(
            {"value": value, "changed": getattr(settings, name) != Settings.model_fields[name].default}
        )
        for name, value in settings.masked().items()
    }
