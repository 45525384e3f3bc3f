"""One line an event, in the form that its reader expects."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from worker import logs

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, fmt: logs.LogFormat) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("INFO", fmt)
    logging.getLogger("test").info("committed %d", 3, extra={"partition": "reviews.raw-0", "next_offset": 42})
    return stderr.getvalue()


def test_json_is_one_object_a_line_with_the_fields_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    event = json.loads(logged(monkeypatch, io.StringIO(), "json"))
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "level": "INFO",
        "logger": "test",
        "event": "committed 3",
        "partition": "reviews.raw-0",
        "next_offset": 42,
    }


def test_text_shows_the_event_and_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    line = logged(monkeypatch, io.StringIO(), "text")
    assert line.endswith(" INFO    committed 3 partition=reviews.raw-0 next_offset=42\n")


@pytest.mark.parametrize(("stderr", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_text_on_a_terminal_and_json_elsewhere(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, is_json: bool
) -> None:
    assert logged(monkeypatch, stderr, "auto").startswith("{") is is_json


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_a_line_break_in_a_message_does_not_forge_a_second_line(
    monkeypatch: pytest.MonkeyPatch, fmt: logs.LogFormat
) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("INFO", fmt)
    logging.getLogger("test").info("first\nforged\r", extra={"error": "third\nfourth"})
    assert stderr.getvalue().count("\n") == 1
    assert "\r" not in stderr.getvalue()


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_an_exception_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, fmt: logs.LogFormat) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("INFO", fmt)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("test").exception("failed")
    assert "Traceback (most recent call last)" in stderr.getvalue()
    assert "ValueError: invalid literal" in stderr.getvalue()


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_the_kafka_client_is_silent(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure(level, "json")
    logging.getLogger("kafka.conn").error("reconnecting")
    assert stderr.getvalue() == ""


# what says the same again and again


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def told(hands: Hands) -> Iterator[io.StringIO]:
    """What a logger writes whose repeats are held back for ten seconds of that clock."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(repeated)s", defaults={"repeated": 0}))
    handler.addFilter(logs.Repeats(10.0, hands))
    logger = logging.getLogger("test.repeats")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def warn(what: str, **extra: object) -> None:
    logging.getLogger("test.repeats").warning("the broker is away: %s", what, extra=extra)


def test_a_warning_in_a_loop_is_told_once_in_ten_seconds_with_a_count(told: io.StringIO, hands: Hands) -> None:
    for tenth in range(251):
        hands.now_s = tenth / 10
        warn("no answer")
    assert told.getvalue().splitlines() == [
        "the broker is away: no answer 0",
        "the broker is away: no answer 99",
        "the broker is away: no answer 99",
    ]


def test_warnings_that_differ_in_their_words_or_fields_are_all_told(told: io.StringIO) -> None:
    warn("no answer")
    warn("refused")
    warn("no answer", record="reviews.raw-0-1")
    warn("no answer", record="reviews.raw-0-2")
    assert len(told.getvalue().splitlines()) == 4


def test_what_is_no_warning_is_always_told(told: io.StringIO) -> None:
    logger = logging.getLogger("test.repeats")
    logger.setLevel(logging.INFO)
    for _ in range(3):
        logger.info("assignment changed")
    assert len(told.getvalue().splitlines()) == 3


def test_an_error_with_another_exception_is_another_error(told: io.StringIO) -> None:
    for error in (ValueError("a"), ValueError("a"), ValueError("b")):
        try:
            raise error
        except ValueError:
            logging.getLogger("test.repeats").exception("failed")
    assert told.getvalue().count("Traceback") == 2


def test_what_was_told_long_ago_is_forgotten(hands: Hands) -> None:
    repeats = logs.Repeats(10.0, hands)
    for number in range(1000):
        hands.now_s = float(number)
        repeats.filter(logging.makeLogRecord({"levelno": logging.WARNING, "msg": f"dead letter {number}"}))
    assert len(repeats._passed) <= 61


def test_the_log_of_the_process_holds_repeats_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("INFO", "json")
    for _ in range(3):
        logging.getLogger("test").warning("again")
    assert stderr.getvalue().count("again") == 1
