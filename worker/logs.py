"""How the process logs: one line for each event, as text on a terminal and as JSON elsewhere."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

LogFormat = Literal["auto", "text", "json"]

REPEAT_S: Final = 10.0  # a repeated warning is logged once in this time
_FORGET_AFTER: Final = 6  # times as long without a repeat

# What every record has. Any other attribute came from `extra=` and belongs to the event.
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def configure(level: str, fmt: LogFormat) -> None:
    """Send everything from `level` up to stderr; `auto` is text on a terminal, else JSON."""
    handler = logging.StreamHandler()
    as_text = fmt == "text" or (fmt == "auto" and sys.stderr.isatty())
    handler.setFormatter(_TextFormatter() if as_text else _JsonFormatter())
    handler.addFilter(Repeats(REPEAT_S))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The clients raise what matters as errors. The rest of their log repeats ten times a second while a broker or a
    # topic is away, and at DEBUG it shows keys, values, passwords and tokens.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("confluent_kafka").setLevel(logging.CRITICAL + 1)
    # It warns at each failed attempt to reach a collector. Errors remain: they report lost spans.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)


class Repeats(logging.Filter):
    """Drops repeated warnings and errors: of those that say the same, one passes in `every_s`. Thread-safe.

    The next one that passes has the number of dropped ones in `repeated`.
    """

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._passed: dict[tuple[str, ...], _Passed] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record. Anything below WARNING passes."""
        if record.levelno < logging.WARNING:
            return True
        content = (record.name, record.levelname, record.getMessage(), str(_extra(record)), _error(record))
        with self._lock:
            now_s = self._clock()
            last = self._passed.get(content)
            if last is not None and now_s < last.at_s + self._every_s:
                last.dropped += 1
                return False
            self._forget_old(now_s)
            self._passed[content] = _Passed(now_s)
        if last is not None and last.dropped:
            record.repeated = last.dropped
        return True

    def _forget_old(self, now_s: float) -> None:
        long_ago_s = now_s - _FORGET_AFTER * self._every_s
        self._passed = {content: last for content, last in self._passed.items() if last.at_s > long_ago_s}


@dataclass(slots=True)
class _Passed:
    at_s: float
    dropped: int = 0  # since then


class _JsonFormatter(logging.Formatter):
    """Writes one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger and event, then the fields of `extra=`, then the traceback if there is one."""
        event = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)


class _TextFormatter(logging.Formatter):
    """Writes time, level, event and `name=value` pairs; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Escape what is not printable, so that a message cannot forge a second line or control the terminal."""
        pairs = "".join(f" {name}={value}" for name, value in _extra(record).items())
        event = "".join(map(_escaped, f"{record.getMessage()}{pairs}"))
        line = f"{_time(record)} {record.levelname:<7} {event}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")


def _error(record: logging.LogRecord) -> str:
    return repr(record.exc_info[1]) if record.exc_info else ""


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
