"""Results: those of version 1 stay readable, and new ones are valid for readers with earlier schemas."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from model.predictor import Predictions
from worker.broker.contract import Record, TopicPartition
from worker.commands.schema import document_of
from worker.wire.scored import Model, Score, ScoredEncoder, ScoredReview, SourceRef, Verdict, encode_scored

GOLDEN = Path(__file__).parent / "golden"
VERSION_1 = (GOLDEN / "scored_v1.jsonl").read_bytes().splitlines()
# The schema of results as it was before, which their readers may still validate with.
EARLIER_SCHEMA = json.loads((GOLDEN / "scored_v1.schema.json").read_text("utf-8"))
ADDED_SINCE = ScoredReview.model_fields.keys() - EARLIER_SCHEMA["properties"].keys()

RECORD = Record(TopicPartition("reviews.raw", 1), 42, 1_767_323_045_678, b"r-1", b"{}")
MODEL = Model(name="m", version="1", sha256="00")
VALUES: dict[type, Any] = {float: st.floats(0, 1), int: st.integers(0, 10_000), bool: st.booleans()}
SCORES = st.builds(Score, **{name: VALUES[kind] for name, kind in Score.__annotations__.items()})


@pytest.mark.parametrize("value", VERSION_1)
def test_a_result_of_version_1_stays_readable_and_valid(value: bytes) -> None:
    """One of them has fields that a later worker may add."""
    written = json.loads(value)
    read = ScoredReview.model_validate_json(value).model_dump(mode="json")
    added = {name: ScoredReview.model_fields[name].default for name in ADDED_SINCE}
    known = {name: written.get(name, added.get(name)) for name in read if name not in {"model", "source"}}
    assert known.items() <= read.items()
    Draft202012Validator(document_of("scored")).validate(written)


def test_a_reader_need_not_know_fields_that_were_added() -> None:
    assert document_of("scored")["required"] == EARLIER_SCHEMA["required"]


@pytest.mark.parametrize("out_of_domain", [False, True])
@pytest.mark.parametrize("schema", [document_of("scored"), EARLIER_SCHEMA], ids=["of today", "of version 1"])
def test_a_result_is_valid_today_and_for_readers_of_earlier_schemas(
    schema: dict[str, Any], out_of_domain: bool
) -> None:
    score = Score(0.25, tokens=3, truncated=False, out_of_domain=out_of_domain)
    source = SourceRef.of(RECORD)
    result = ScoredReview.of(review_id="r-1", score=score, model=MODEL, scored_at=datetime.now(UTC), source=source)
    written = json.loads(encode_scored(result))
    Draft202012Validator(schema).validate(written)
    assert written["out_of_domain"] == out_of_domain


@given(
    review_id=st.text(),
    score=SCORES,
    scored_at=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  # hypothesis adds the zone
    timestamp_ms=st.none() | st.integers(-(10**18), 10**18),
)
def test_the_encoder_of_the_worker_writes_the_fields_of_a_scored_review(
    review_id: str, score: Score, scored_at: datetime, timestamp_ms: int | None
) -> None:
    record = RECORD._replace(timestamp_ms=timestamp_ms)
    scored_at_s = scored_at.replace(tzinfo=UTC).timestamp()
    verdict = Verdict.of(score.probability)
    value = ScoredEncoder(MODEL).encode(record, review_id, score, verdict, scored_at_s=scored_at_s)
    expected = ScoredReview.of(
        review_id=review_id,
        score=score,
        model=MODEL,
        scored_at=datetime.fromtimestamp(scored_at_s, tz=UTC),
        source=SourceRef.of(record),
    )
    assert list(json.loads(value).items()) == list(json.loads(encode_scored(expected)).items())


def test_a_score_has_the_fields_of_a_models_predictions() -> None:
    probability, *others = Score._fields
    assert ["probabilities", *others] == [field.name for field in fields(Predictions)]
    assert probability == "probability"
