"""The documents of our messages: true, committed, and kept by old messages."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]  # it has no types

from worker.broker.contract import Record, TopicPartition
from worker.commands import schema as schemas
from worker.wire.messages import (
    REPLAYS,
    Model,
    Reason,
    ScoredEncoder,
    ScoredReview,
    SourceRef,
    Verdict,
    dead_letter_headers,
    decode_review,
    encode_scored,
    handler_headers,
)
from worker.wire.score import Score

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "worker" / "wire" / "golden"
REVIEWS = (GOLDEN / "review_v1.jsonl").read_bytes().splitlines()
SCORED = (GOLDEN / "scored_v1.jsonl").read_bytes().splitlines()

ADDED_SINCE = {"out_of_domain": False}  # with what a result says that was written before
# The schema of results as it was before, which their readers may still validate with.
EARLIER_SCHEMA = json.loads((GOLDEN / "scored_v1.schema.json").read_text("utf-8"))

RECORD = Record(TopicPartition("reviews.raw", 1), 42, 1_767_323_045_678, b"r-1", b"{}")
MODEL = Model(name="m", version="1", sha256="00")


@pytest.mark.parametrize("name", schemas.DOCUMENTS)
def test_the_committed_document_is_the_generated_one(name: str) -> None:
    committed = (ROOT / "docs" / "schemas" / f"{name}.json").read_text("utf-8")
    assert committed == schemas.to_text(schemas.DOCUMENTS[name]()), (
        "stale: run `sentiment-worker schema --all docs/schemas`"
    )


@pytest.mark.parametrize("name", ["review", "scored"])
def test_a_schema_is_valid_in_its_dialect(name: str) -> None:
    document = schemas.DOCUMENTS[name]()
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(document)


@pytest.mark.parametrize("value", REVIEWS)
def test_a_review_of_version_1_stays_readable_and_valid(value: bytes) -> None:
    written = json.loads(value)
    review = decode_review(value)
    assert (review.text, review.review_id) == (written["text"], written.get("review_id"))
    Draft202012Validator(schemas.review_schema()).validate(written)


@pytest.mark.parametrize("value", SCORED)
def test_a_result_of_version_1_stays_readable_and_valid(value: bytes) -> None:
    """Also one with fields that a later worker adds."""
    written = json.loads(value)
    read = ScoredReview.model_validate_json(value).model_dump(mode="json")
    known = {name: written.get(name, ADDED_SINCE.get(name)) for name in read if name not in {"model", "source"}}
    assert known.items() <= read.items()
    Draft202012Validator(schemas.scored_schema()).validate(written)


@pytest.mark.parametrize("out_of_domain", [False, True])
@pytest.mark.parametrize("schema", [schemas.scored_schema(), EARLIER_SCHEMA], ids=["of today", "of version 1"])
def test_what_the_worker_writes_is_valid_today_and_for_readers_of_earlier_schemas(
    schema: dict[str, Any], out_of_domain: bool
) -> None:
    result = ScoredReview.of(
        review_id="r-1",
        probability=0.25,
        tokens=3,
        truncated=False,
        out_of_domain=out_of_domain,
        model=MODEL,
        scored_at=datetime.now(UTC),
        source=SourceRef.of(RECORD),
    )
    written = json.loads(encode_scored(result))
    Draft202012Validator(schema).validate(written)
    assert written["out_of_domain"] == out_of_domain


@given(
    review_id=st.text(),
    probability=st.floats(0, 1),
    tokens=st.integers(0, 10_000),
    truncated=st.booleans(),
    out_of_domain=st.booleans(),
    scored_at=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  # hypothesis adds the zone
    timestamp_ms=st.none() | st.integers(-(10**18), 10**18),
)
def test_the_encoder_writes_the_very_fields_of_a_scored_review(
    review_id: str,
    probability: float,
    tokens: int,
    truncated: bool,
    out_of_domain: bool,
    scored_at: datetime,
    timestamp_ms: int | None,
) -> None:
    record = RECORD._replace(timestamp_ms=timestamp_ms)
    scored_at_s = scored_at.replace(tzinfo=UTC).timestamp()
    score = Score(probability, tokens, truncated, out_of_domain)
    verdict = Verdict.of(probability)
    value = ScoredEncoder(MODEL).encode(record, review_id, score, verdict, scored_at_s=scored_at_s)
    expected = ScoredReview.of(
        review_id=review_id,
        **score._asdict(),
        model=MODEL,
        scored_at=datetime.fromtimestamp(scored_at_s, tz=UTC),
        source=SourceRef.of(record),
    )
    assert list(json.loads(value).items()) == list(json.loads(encode_scored(expected)).items())


@pytest.mark.parametrize("value", [{}, {"text": None}, {"text": 5}, {"text": "a", "review_id": 5}, [], "text", None])
def test_the_schema_refuses_what_the_worker_refuses(value: object) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(schemas.review_schema()).validate(value)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = schemas.asyncapi()
    references = list(references_in(document))
    assert len(references) > 10
    for reference in references:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def references_in(node: Any) -> Any:
    if isinstance(node, dict):
        for name, child in node.items():
            if name == "$ref":
                yield child
            else:
                yield from references_in(child)


def test_the_topics_are_named_by_their_defaults() -> None:
    addresses = {name: channel["address"] for name, channel in schemas.asyncapi()["channels"].items()}
    assert addresses == {"raw": "reviews.raw", "scored": "reviews.scored", "dlq": "reviews.dlq"}


def test_the_headers_described_are_those_written() -> None:
    messages = schemas.asyncapi()["components"]["messages"]
    written = dead_letter_headers(
        RECORD,
        reason=Reason.INVALID_JSON,
        error="",
        failed_at=datetime.now(UTC),
        handled_by=handler_headers(worker_version="1", model=MODEL),
    )
    described = list(messages["deadLetter"]["headers"]["properties"])
    assert described == [*(name for name, _ in written), REPLAYS]  # the last one stands there after a replay
    assert (
        messages["scored"]["headers"]["properties"].items() <= messages["deadLetter"]["headers"]["properties"].items()
    )
