"""The input: a review, and how it is decoded."""

from typing import Final

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from worker.broker.contract import Record
from worker.errors import UnreadableReview
from worker.wire.reasons import Reason


class Review(BaseModel, frozen=True, extra="ignore", strict=True, title="Review"):
    """One value of the input topic. Unknown fields are ignored. A value of the wrong type is not converted."""

    review_id: str | None = Field(
        None, description="Identifies the review in the result. The default is `topic-partition-offset` of the record."
    )
    text: str = Field(description="The text to score. The model reads only a part of a very long text.")
    product_id: str | None = Field(None, description="The product under review. Not used for scoring.")
    language: str | None = Field(None, description="BCP 47 tag. Not used for scoring.")
    created_at: AwareDatetime | None = Field(
        None, description="When the review was written, RFC 3339. Not used for scoring."
    )


# model_validate_json() looks up its options first, and takes half as long again.
_REVIEW: Final = Review.__pydantic_validator__


def decode_review(value: bytes) -> Review:
    """Decode one value of the input topic.

    Raises UnreadableReview with `invalid_json` (not UTF-8, not JSON, nested too deeply) or `invalid_review`
    (a field is missing or has the wrong type). The message never quotes the text.
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


def review_id_of(review: Review, record: Record) -> str:
    """Return the review's own id, or `topic-partition-offset` of its record."""
    if review.review_id is not None:
        return review.review_id
    topic, partition = record.partition
    return f"{topic}-{partition}-{record.offset}"
