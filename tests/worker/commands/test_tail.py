"""The line for a dead letter. The lines for results: tests/worker/cli/test_tail.py."""

from datetime import UTC, datetime

import click

from worker.broker.contract import Headers, Record, TopicPartition
from worker.commands.tail import line_for_people
from worker.wire.headers import dead_letter_headers, handler_headers
from worker.wire.reasons import Reason
from worker.wire.scored import Model

HANDLED_BY = handler_headers(worker_version="1", model=Model(name="m", version="1", sha256="00"))
FAILED_AT = datetime(2026, 11, 24, 12, 30, 5, tzinfo=UTC)


def dead_letter(error: str, headers: Headers = ()) -> Record:
    record = Record(TopicPartition("reviews.raw", 3), 1201, None, b"k", b"canary text", headers)
    written = dead_letter_headers(
        record, reason=Reason.INVALID_JSON, error=error, failed_at=FAILED_AT, handled_by=HANDLED_BY
    )
    return Record(TopicPartition("reviews.dlq", 0), 7, None, b"k", b"canary text", written)


def test_a_dead_letter_is_shown_by_time_reason_source_and_error_without_its_text() -> None:
    line = click.unstyle(line_for_people(dead_letter("expected value at line 1")))
    assert line == "12:30:05  invalid_json       reviews.raw-3-1201  expected value at line 1"


def test_a_dead_letter_that_was_replayed_before_says_so() -> None:
    line = click.unstyle(line_for_people(dead_letter("no", headers=(("sentiment-replays", b"2"),))))
    assert line.endswith("no  (replayed 2 times before)")


def test_control_characters_are_escaped() -> None:
    assert "\x1b[2J" not in click.unstyle(line_for_people(dead_letter("\x1b[2J")))
