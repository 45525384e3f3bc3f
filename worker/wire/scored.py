"""The output: a scored review, from the model's score to the bytes of the result."""

from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, Field

from model.predictor import ModelInfo
from worker.broker.contract import Record

SCHEMA_VERSION: Final = 1

Sentiment = Literal["positive", "negative"]


class Score(NamedTuple):
    """What the model found in one review: one row of `model.predictor.Predictions`, whose fields these are."""

    probability: float
    tokens: int
    truncated: bool
    out_of_domain: bool


class Verdict(NamedTuple):
    """A probability as results show it: which sentiment it means, and how sure the model is.

    Rounded to millionths. That is below every engine's tolerance, and hides the digits of a widened float32.
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


class Model(BaseModel, frozen=True):
    """Which model scored a review."""

    name: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    sha256: str = Field(description="SHA-256 digest of the model's manifest.")

    @classmethod
    def of(cls, info: ModelInfo) -> Self:
        """Leave out what only this process needs to know of a model."""
        return cls(name=info.name, version=info.version, sha256=info.sha256)


class SourceRef(BaseModel, frozen=True):
    """The input record of a review."""

    topic: str = Field(description="Topic of the input record.")
    partition: Annotated[int, Field(ge=0, description="Its partition.")]
    offset: Annotated[int, Field(ge=0, description="Its offset.")]
    timestamp: datetime | None = Field(description="Its timestamp. Null if it has none, or if it is not a valid date.")

    @classmethod
    def of(cls, record: Record) -> Self:
        """Point at `record`."""
        return cls(
            topic=record.partition.topic,
            partition=record.partition.partition,
            offset=record.offset,
            timestamp=_utc(record.timestamp_ms),
        )


class ScoredReview(BaseModel, frozen=True, title="ScoredReview"):
    """One value of the output topic."""

    # To add a field: add it here, with a default for earlier results, to `of` and to ScoredEncoder.
    # If it comes from the model, add it to Score, with a default, and to `model.predictor.Predictions`.

    schema_version: Annotated[Literal[1], Field(description="Always 1, also after fields are added.")] = SCHEMA_VERSION
    review_id: str = Field(
        description="The id of the review. If it has none: `topic-partition-offset`, or `line-N` for a file."
    )
    sentiment: Sentiment = Field(description="`positive` if `score` is 0.5 or more, else `negative`.")
    score: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Calibrated probability that the review is positive; 0.5 for a text without words."
    )
    confidence: Annotated[float, Field(ge=0.5, le=1, description="Calibrated probability of `sentiment`.")]
    model: Model = Field(description="The model that scored the review.")
    tokens: Annotated[int, Field(ge=0, description="Number of words that the model read.")]
    truncated: bool = Field(description="Whether the review is too long, so that the model left out words.")
    out_of_domain: bool = Field(
        False,
        description="Whether the text is probably not an English review, because the model knows few of its words. "
        "Absent is false.",
    )
    scored_at: datetime = Field(description="When the review was scored.")
    source: SourceRef | None = Field(None, description="The input record. Null if the review is not from Kafka.")

    @classmethod
    def of(
        cls, *, review_id: str, score: Score, model: Model, scored_at: datetime, source: SourceRef | None = None
    ) -> Self:
        """Return the result of a review."""
        return cls(
            review_id=review_id,
            **Verdict.of(score.probability)._asdict(),
            model=model,
            tokens=score.tokens,
            truncated=score.truncated,
            out_of_domain=score.out_of_domain,
            scored_at=scored_at,
            source=source,
        )


def encode_scored(scored: ScoredReview) -> bytes:
    """Encode one value of the output topic: compact JSON in UTF-8."""
    return scored.__pydantic_serializer__.to_json(scored)


class ScoredEncoder:
    """Encodes the results of one model for the worker, without a ScoredReview: that takes a small part of the time.

    A test holds it to what `encode_scored` writes.
    """

    def __init__(self, model: Model) -> None:
        self._model = model.model_dump_json()

    def encode(self, record: Record, review_id: str, score: Score, verdict: Verdict, *, scored_at_s: float) -> bytes:
        """Return the value, with the fields in the order of ScoredReview. `scored_at_s` is epoch seconds."""
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
    return _json_datetime(_utc(timestamp_ms))


def _json_datetime(time: datetime | None) -> str:
    return "null" if time is None else f'"{time.replace(tzinfo=None).isoformat()}Z"'


def _utc(timestamp_ms: int | None) -> datetime | None:
    """Return the time, or None for a number that is no date: a producer may write microseconds, or anything."""
    try:
        return None if timestamp_ms is None else datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None
