"""What is on the wire: `Review` in, `ScoredReview` out, and the headers that tell where each came from.

The JSON Schemas in `docs/schemas/` are generated from this file. A reader of version N must be able to read
version N+1: fields may be added, never renamed, removed or given another meaning.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from worker.broker.contract import Headers, Record
from worker.errors import UnreadableReview
from worker.wire.score import Score

SCHEMA_VERSION: Final = 1

Sentiment = Literal["positive", "negative"]


class Reason(StrEnum):
    """Why a record became a dead letter: a bounded set, used in headers and as a metric label."""

    INVALID_JSON = "invalid_json"
    INVALID_REVIEW = "invalid_review"
    KEYLESS_TOMBSTONE = "keyless_tombstone"
    UNSCORABLE = "unscorable"


class Review(BaseModel):
    """One value of the input topic. Unknown fields are ignored; types are not coerced."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore", strict=True, title="Review")

    review_id: str | None = Field(
        None, description="Names the review in the result; `topic-partition-offset` when absent."
    )
    text: str = Field(description="The review itself; what the model does not read of a long one is cut.")
    product_id: str | None = Field(None, description="What is reviewed; not used for scoring.")
    language: str | None = Field(None, description="BCP 47 tag; not used for scoring.")
    created_at: AwareDatetime | None = Field(
        None, description="When the review was written, RFC 3339; not used for scoring."
    )


class Model(BaseModel):
    """Which model scored a review."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    version: str
    sha256: str = Field(description="Digest of the artifact's manifest.")


class SourceRef(BaseModel):
    """Where a scored review was read."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    timestamp: datetime | None = Field(description="The input record's timestamp, if it is a time.")

    @classmethod
    def of(cls, record: Record) -> Self:
        """Point at `record`."""
        return cls(
            topic=record.partition.topic,
            partition=record.partition.partition,
            offset=record.offset,
            timestamp=None if record.timestamp_ms is None else _utc(record.timestamp_ms),
        )


class Verdict(NamedTuple):
    """What a probability says, in the words of the output.

    In millionths: below every engine's tolerance, and spares readers the digits of a widened float32.
    """

    sentiment: Sentiment
    score: float
    confidence: float

    @classmethod
    def of(cls, probability: float) -> Self:
        """0.5 counts as positive."""
        millionths = int(probability * 1e6 + 0.5)  # in a quarter of the time of round(probability, 6)
        score = millionths / 1e6
        if millionths >= 500_000:
            return cls("positive", score, score)
        return cls("negative", score, (1_000_000 - millionths) / 1e6)


class ScoredReview(BaseModel):
    """One value of the output topic."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, title="ScoredReview")

    schema_version: Literal[1] = SCHEMA_VERSION
    review_id: str
    sentiment: Sentiment
    score: Annotated[float, Field(ge=0, le=1, description="Calibrated P(positive).")]
    confidence: Annotated[float, Field(ge=0.5, le=1, description="Calibrated P(`sentiment` is right).")]
    model: Model
    tokens: Annotated[int, Field(ge=0, description="Words that the model read.")]
    truncated: bool = Field(description="Whether the model left out words of a long review.")
    out_of_domain: bool = Field(
        False, description="Whether the model knows too few of the words: hardly an English review. Absent is false."
    )
    scored_at: datetime
    source: SourceRef | None = Field(None, description="Absent when the review did not come from Kafka.")

    @classmethod
    def of(
        cls,
        *,
        review_id: str,
        probability: float,
        tokens: int,
        truncated: bool,
        out_of_domain: bool,
        model: Model,
        scored_at: datetime,
        source: SourceRef | None = None,
    ) -> Self:
        """Name the sentiment and its confidence after the probability."""
        sentiment, score, confidence = Verdict.of(probability)
        return cls(
            review_id=review_id,
            sentiment=sentiment,
            score=score,
            confidence=confidence,
            model=model,
            tokens=tokens,
            truncated=truncated,
            out_of_domain=out_of_domain,
            scored_at=scored_at,
            source=source,
        )


# model_validate_json() looks up its options first, and takes half as long again.
_REVIEW: Final = Review.__pydantic_validator__


def decode_review(value: bytes) -> Review:
    """Read one value of the input topic.

    Raises UnreadableReview with `invalid_json` (not UTF-8, not JSON, nested too deeply) or `invalid_review`
    (a field is missing or of the wrong type). The message never quotes the text.
    """
    try:
        review: Review = _REVIEW.validate_json(value)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise UnreadableReview(Reason.INVALID_JSON, first["msg"]) from None
        field = ".".join(str(part) for part in first["loc"]) or "value"
        raise UnreadableReview(Reason.INVALID_REVIEW, f"{field}: {first['msg']}") from None
    return review


def encode_scored(scored: ScoredReview) -> bytes:
    """Write one value of the output topic: compact JSON in UTF-8."""
    return scored.__pydantic_serializer__.to_json(scored)


class ScoredEncoder:
    """Writes what `encode_scored` writes of a ScoredReview, without making one: a small part of the work.

    For the worker, which writes one for each review of one model. A test holds the two together.
    """

    def __init__(self, model: Model) -> None:
        self._model = model.model_dump_json()

    def encode(
        self,
        record: Record,
        review_id: str,
        score: Score,
        verdict: Verdict,
        *,
        scored_at_s: float,
    ) -> bytes:
        """Return the value. The fields stand in the order of ScoredReview."""
        topic, partition = record.partition
        value = (
            f'{{"schema_version":{SCHEMA_VERSION},"review_id":{encode_basestring(review_id)},"sentiment":"{verdict.sentiment}",'
            f'"score":{verdict.score!r},"confidence":{verdict.confidence!r},"model":{self._model},"tokens":{score.tokens},'
            f'"truncated":{_JSON[score.truncated]},"out_of_domain":{_JSON[score.out_of_domain]},'
            f'"scored_at":{_json_time(scored_at_s)},"source":{{"topic":"{topic}","partition":{partition},'
            f'"offset":{record.offset},"timestamp":{_json_timestamp(record.timestamp_ms)}}}}}'
        )
        return value.encode()


_JSON: Final = {True: "true", False: "false"}


@lru_cache(maxsize=16)  # one for each batch
def _json_time(epoch_s: float) -> str:
    return _json_datetime(datetime.fromtimestamp(epoch_s, tz=UTC))


@lru_cache(maxsize=1024)  # records come in batches: many have the same
def _json_timestamp(timestamp_ms: int | None) -> str:
    return _json_datetime(None if timestamp_ms is None else _utc(timestamp_ms))


def _json_datetime(time: datetime | None) -> str:
    return "null" if time is None else f'"{time.replace(tzinfo=None).isoformat()}Z"'


def review_id_of(review: Review, record: Record) -> str:
    """Return the review's own id, else the one that its place in the topic gives it."""
    if review.review_id is not None:
        return review.review_id
    topic, partition = record.partition
    return f"{topic}-{partition}-{record.offset}"


_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")

# Every header that the worker writes starts so; a replayed dead letter brings old ones, which are replaced.
HEADER_PREFIX: Final = "sentiment-"
REPLAYS: Final = "sentiment-replays"  # the one that stays: how often a dead letter was sent back


def carried_headers(record: Record) -> Headers:
    """Return the headers that travel on: the producer's, trace context and all, and the count of replays."""
    if not record.headers:
        return ()
    return tuple(header for header in record.headers if header[0] == REPLAYS or not header[0].startswith(HEADER_PREFIX))


def replays_of(record: Record) -> int:
    """How often a record was sent back from the dead-letter topic; what no replay wrote counts as never."""
    count = dict(record.headers).get(REPLAYS) or b""
    return int(count) if count.isdigit() and len(count) < 10 else 0  # int() refuses to read thousands of digits


def trace_id_of(record: Record) -> str | None:
    """Return the trace that a record belongs to, by its header `traceparent` (W3C); None where there is none."""
    found = _TRACEPARENT.fullmatch(dict(record.headers).get("traceparent") or b"")
    return found[1].decode() if found else None


def handler_headers(*, worker_version: str, model: Model) -> Headers:
    """Return the part of `provenance` that is the same for every record of one worker."""
    return (
        ("sentiment-worker", worker_version.encode()),
        ("sentiment-model", f"{model.name}@{model.version}".encode()),
        ("sentiment-model-sha256", model.sha256.encode()),
    )


def provenance(record: Record, handled_by: Headers) -> Headers:
    """Return the headers that travel on, then where it came from and what handled it."""
    topic, partition = record.partition
    source = ("sentiment-source", f"{topic}-{partition}-{record.offset}".encode())
    return (*carried_headers(record), source, *handled_by)


def dead_letter_headers(
    record: Record, *, reason: Reason, error: str, failed_at: datetime, handled_by: Headers
) -> Headers:
    """Return `provenance` plus why and when the record failed, and its coordinates one by one for tools."""
    topic, partition = record.partition
    timestamp = b"" if record.timestamp_ms is None else str(record.timestamp_ms).encode()
    return (
        *provenance(record, handled_by),
        ("sentiment-reason", reason.value.encode()),
        ("sentiment-error", error[:1000].encode("utf-8", "backslashreplace")),
        ("sentiment-failed-at", failed_at.isoformat().encode()),
        ("sentiment-source-topic", topic.encode()),
        ("sentiment-source-partition", str(partition).encode()),
        ("sentiment-source-offset", str(record.offset).encode()),
        ("sentiment-source-timestamp", timestamp),
    )


def _utc(timestamp_ms: int) -> datetime | None:
    """Return the time, or None where the calendar has none: a producer may write microseconds, or anything."""
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None
