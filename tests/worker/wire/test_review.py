"""Reviews: those of version 1 stay readable, and the schema accepts what the worker accepts."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]  # it has no types

from worker.broker.contract import Record, TopicPartition
from worker.commands.schema import document_of
from worker.errors import UnreadableReview
from worker.wire.reasons import Reason
from worker.wire.review import decode_review, review_id_of

VERSION_1 = (Path(__file__).parent / "golden" / "review_v1.jsonl").read_bytes().splitlines()
SCHEMA = Draft202012Validator(document_of("review"))


@pytest.mark.parametrize("value", VERSION_1)
def test_a_review_of_version_1_stays_readable_and_valid(value: bytes) -> None:
    written = json.loads(value)
    review = decode_review(value)
    assert (review.text, review.review_id) == (written["text"], written.get("review_id"))
    SCHEMA.validate(written)


@pytest.mark.parametrize("value", [{}, {"text": None}, {"text": 5}, {"text": "a", "review_id": 5}, [], "text", None])
def test_the_schema_and_the_worker_reject_the_same_values(value: object) -> None:
    with pytest.raises(ValidationError):
        SCHEMA.validate(value)
    with pytest.raises(UnreadableReview) as rejected:
        decode_review(json.dumps(value).encode())
    assert rejected.value.reason == Reason.INVALID_REVIEW


@pytest.mark.parametrize("value", [b"", b"{", b'{"text": "\xff"}', b"[" * 10_000])
def test_a_value_that_is_not_json_has_its_own_reason(value: bytes) -> None:
    with pytest.raises(UnreadableReview) as rejected:
        decode_review(value)
    assert rejected.value.reason == Reason.INVALID_JSON


def test_a_review_without_an_id_is_named_after_its_record() -> None:
    record = Record(TopicPartition("reviews.raw", 1), 42, None, None, None)
    assert review_id_of(decode_review(b'{"text": "a"}'), record) == "reviews.raw-1-42"
    assert review_id_of(decode_review(b'{"text": "a", "review_id": ""}'), record) == ""
