"""One line an event, in the form that its reader expects."""

import io
import json
import logging
import sys

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
