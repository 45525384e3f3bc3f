"""Each event is one line, as text or JSON."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from worker import logs

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def configured(
    monkeypatch: pytest.MonkeyPatch, fmt: logs.LogFormat, *, level: str = "INFO", stderr: io.StringIO | None = None
) -> io.StringIO:
    """Configure logging, and return what it writes to."""
    stderr = stderr or io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure(level, fmt)
    return stderr


def logged(monkeypatch: pytest.MonkeyPatch, fmt: logs.LogFormat, stderr: io.StringIO | None = None) -> str:
    stderr = configured(monkeypatch, fmt, stderr=stderr)
    logging.getLogger("test").info("committed %d", 3, extra={"partition": "reviews.raw-0", "next_offset": 42})
    return stderr.getvalue()


def test_json_has_one_object_per_line_with_the_fields_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    event = json.loads(logged(monkeypatch, "json"))
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "level": "INFO",
        "logger": "test",
        "event": "committed 3",
        "partition": "reviews.raw-0",
        "next_offset": 42,
    }


def test_text_has_the_event_and_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logged(monkeypatch, "text").endswith(" INFO    committed 3 partition=reviews.raw-0 next_offset=42\n")


@pytest.mark.parametrize(("stderr", "is_json"), [(io.StringIO(), True), (FakeTerminal(), False)])
def test_auto_is_text_on_a_terminal_and_json_elsewhere(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, is_json: bool
) -> None:
    assert logged(monkeypatch, "auto", stderr).startswith("{") is is_json


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_a_line_break_in_a_message_makes_no_second_line(monkeypatch: pytest.MonkeyPatch, fmt: logs.LogFormat) -> None:
    stderr = configured(monkeypatch, fmt)
    logging.getLogger("test").info("first\nforged\r", extra={"error": "third\nfourth"})
    assert stderr.getvalue().count("\n") == 1
    assert "\r" not in stderr.getvalue()


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_an_exception_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, fmt: logs.LogFormat) -> None:
    stderr = configured(monkeypatch, fmt)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("test").exception("failed")
    assert "Traceback (most recent call last)" in stderr.getvalue()
    assert "ValueError: invalid literal" in stderr.getvalue()


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_the_kafka_client_is_silent(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    stderr = configured(monkeypatch, "json", level=level)
    logging.getLogger("kafka.conn").error("reconnecting")
    assert stderr.getvalue() == ""


# Repeated warnings


class ManualClock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stream(clock: ManualClock) -> Iterator[io.StringIO]:
    """Return the output of a logger that drops repeats for ten seconds of the clock."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter("%(message)s %(repeated)s", defaults={"repeated": 0}))
    handler.addFilter(logs.Repeats(10.0, clock))
    logger = logging.getLogger("test.repeats")
    logger.addHandler(handler)
    yield output
    logger.removeHandler(handler)


def warn(what: str, **extra: object) -> None:
    logging.getLogger("test.repeats").warning("the broker is away: %s", what, extra=extra)


def test_a_repeated_warning_is_logged_once_in_ten_seconds_with_a_count(stream: io.StringIO, clock: ManualClock) -> None:
    for tenth in range(251):
        clock.now_s = tenth / 10
        warn("no answer")
    assert stream.getvalue().splitlines() == [
        "the broker is away: no answer 0",
        "the broker is away: no answer 99",
        "the broker is away: no answer 99",
    ]


def test_warnings_with_different_texts_or_fields_are_all_logged(stream: io.StringIO) -> None:
    warn("no answer")
    warn("refused")
    warn("no answer", record="reviews.raw-0-1")
    warn("no answer", record="reviews.raw-0-2")
    assert len(stream.getvalue().splitlines()) == 4


def test_repeated_info_is_always_logged(stream: io.StringIO) -> None:
    logger = logging.getLogger("test.repeats")
    logger.setLevel(logging.INFO)
    for _ in range(3):
        logger.info("assignment changed")
    assert len(stream.getvalue().splitlines()) == 3


def test_errors_with_different_exceptions_are_all_logged(stream: io.StringIO) -> None:
    for error in (ValueError("a"), ValueError("a"), ValueError("b")):
        try:
            raise error
        except ValueError:
            logging.getLogger("test.repeats").exception("failed")
    assert stream.getvalue().count("Traceback") == 2


def test_old_warnings_are_forgotten(clock: ManualClock) -> None:
    repeats = logs.Repeats(10.0, clock)
    for number in range(1000):
        clock.now_s = float(number)
        repeats.filter(logging.makeLogRecord({"levelno": logging.WARNING, "msg": f"dead letter {number}"}))
    assert len(repeats._passed) <= 61


def test_configure_drops_repeated_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = configured(monkeypatch, "json")
    for _ in range(3):
        logging.getLogger("test").warning("again")
    assert stderr.getvalue().count("again") == 1
