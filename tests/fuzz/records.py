"""Any record that a topic may hold: value, key, headers, timestamp."""

import json
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from model.predictor import ModelInfo
from tests.fuzz.fuzzer import Target
from tests.fuzz.mutation import as_json, changed_document, deep, json_value, mutated, text
from worker.broker.contract import Outgoing, Record, TopicPartition
from worker.commands.replay import ReplayFilter, reason_of
from worker.commands.tail import line_for_people
from worker.delivery.outcomes import Outcome, Outcomes
from worker.delivery.outcomes import Target as Topic
from worker.errors import UnreadableReview
from worker.wire.headers import carried_headers, replayed_headers, replays_of
from worker.wire.reasons import Reason
from worker.wire.review import Review, decode_review, review_id_of
from worker.wire.scored import Score, ScoredReview

ROOT: Final = Path(__file__).parents[2]
GOLDEN: Final = ROOT / "tests" / "worker" / "wire" / "golden"
REVIEWS: Final = (GOLDEN / "review_v1.jsonl").read_bytes().splitlines()
VALID: Final = [*REVIEWS, *(GOLDEN / "scored_v1.jsonl").read_bytes().splitlines()]
DOCUMENTS: Final = [json.loads(line) for line in VALID]
FIELDS: Final = ("review_id", "text", "product_id", "language", "created_at", "x")
NAMES: Final = ("traceparent", "", "é", "\udcff", "sentiment-", "sentiment-replays", "sentiment-reason", "sentiment-x")
VALUES: Final = (
    *(None, b"", b"1", b"0", b"9" * 5000, b"-1", b"\xff", "²".encode(), b"2026-11-01T12:00:00+00:00", b"01-1"),
)
TIMES_MS: Final = (None, 0, 1_767_323_045_678, 2**63 - 1, 10**15, 253_402_300_800_000, -62_135_596_800_000, 1)
PROBABILITIES: Final = (0.0, 1.0, 0.5, 0.4999995, 0.49999949, 1e-300, 0.9999999)
NOW_S: Final = 1_767_323_045.5
CHECKED_BY_SCHEMA: Final = 20  # one in this many, because a validation takes longer than all the rest
OUTCOMES: Final = Outcomes(
    output=Topic("scored", 3, keeps_partition=True),
    dlq=Topic("dlq", 3, keeps_partition=False),
    model=ModelInfo("name", "version", "00", "engine", 0.0),
)


@contextmanager
def records() -> Iterator[Target]:
    """Decode records and do all that the worker and the commands do with them."""
    yield Target(_make, _check)


def _make(rng: random.Random) -> bytes:
    match rng.randrange(20):
        case 0:
            return deep(rng)
        case 1:
            return rng.randbytes(rng.randrange(100))
        case 2 | 3 | 4 | 5:
            return as_json(rng, changed_document(rng, rng.choice(DOCUMENTS)))
        case 6 | 7 | 8 | 9 | 10 | 11:
            fields = {name: json_value(rng) for name in FIELDS if rng.random() < 0.1}
            names = {"review_id": text(rng)[:40]} if rng.random() < 0.5 else {}
            return as_json(rng, {"text": text(rng)} | names | fields)
        case _:
            return mutated(rng, VALID if rng.random() < 0.3 else REVIEWS)


def _record(value: bytes) -> Record:
    """Return a record whose other parts depend only on its value."""
    rng = random.Random(zlib.crc32(value))
    return Record(
        TopicPartition(rng.choice(("raw", "a.b-c_1")), rng.randrange(5)),
        offset=rng.choice((0, 7, 2**63 - 1)),
        timestamp_ms=rng.choice(TIMES_MS),
        key=rng.choice((None, b"", b"k\xff", value[:20])),
        value=None if rng.randrange(50) == 0 else value,
        headers=tuple((rng.choice(NAMES), rng.choice(VALUES)) for _ in range(rng.choice((0, 0, 1, 4)))),
    )


def _check(value: bytes) -> None:
    record = _record(value)
    try:
        review = None if record.value is None else decode_review(record.value)
    except UnreadableReview as exc:
        reason, error = Reason(exc.reason), str(exc)
        assert error
        assert len(error) < 1000
    else:
        reason, error = Reason.UNSCORABLE, "it could not be"
        if review is not None:
            _check_result(record, review)
        elif record.key is not None:
            _check_sent(record, OUTCOMES.tombstone(record, 1).message, None)
    _check_dead_letter(record, OUTCOMES.dead_letter(record, 1, reason, error, at_s=NOW_S), reason)
    _check_commands(record)


def _check_result(record: Record, review: Review) -> None:
    """A readable review gets a result that is valid by the schema."""
    checksum = zlib.crc32(record.value or b"")
    probability = PROBABILITIES[checksum % 20] if checksum % 20 < len(PROBABILITIES) else checksum / 2**32
    score = Score(probability, checksum % 400, truncated=checksum % 2 == 0, out_of_domain=checksum % 3 == 0)
    review_id = review_id_of(review, record)
    outcome = OUTCOMES.scored(record, 1, review_id, score, at_s=NOW_S)
    sent = outcome.message.value
    assert sent is not None
    assert outcome.verdict is not None
    document = json.loads(sent)
    assert document["review_id"] == review_id
    assert ScoredReview.model_validate_json(sent).sentiment == outcome.verdict.sentiment
    if checksum % CHECKED_BY_SCHEMA == 0:
        SCHEMA.validate(document)
    _check_sent(record, outcome.message, sent)


def _check_dead_letter(record: Record, outcome: Outcome, reason: Reason) -> None:
    """A dead letter holds the record, and can be sent back."""
    letter = outcome.message
    _check_sent(record, letter, b"" if record.value is None and record.key is None else record.value)
    again = Record(TopicPartition(letter.topic, 0), 0, record.timestamp_ms, letter.key, letter.value, letter.headers)
    assert reason_of(again) == reason
    back = Record(record.partition, 0, None, letter.key, letter.value, replayed_headers(again))
    assert replays_of(back) == replays_of(record) + 1
    if replays_of(record) == 0 and (letter.value or letter.key is not None):
        assert ReplayFilter().why_not(again) is None


def _check_sent(record: Record, message: Outgoing, value: bytes | None) -> None:
    assert (message.key, message.value) == (record.key, value)
    carried = carried_headers(record)
    assert all(sent is read for (sent, _), (read, _) in zip(message.headers, carried, strict=False))
    assert message.headers[: len(carried)] == carried
    for name, content in message.headers[len(carried) :]:
        assert name.isascii()
        assert content is not None
        assert len(content) < 10_000


def _check_commands(record: Record) -> None:
    """`tail` and `replay` accept the record too."""
    assert click.unstyle(line_for_people(record)).isprintable()
    ReplayFilter(since=datetime(2026, 1, 1, tzinfo=UTC)).why_not(record)
    replayed_headers(record)


def _schema() -> Any:
    return Draft202012Validator(json.loads((ROOT / "docs" / "schemas" / "scored.json").read_text("utf-8")))


SCHEMA: Final = _schema()
