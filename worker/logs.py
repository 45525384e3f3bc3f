"""How the process logs: one line an event, readable on a terminal, JSON for whatever collects logs elsewhere."""

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

REPEAT_S: Final = 10.0  # a warning that says the same is told so often
_REMEMBERED: Final = 6  # times as long: whoever comes back later begins anew

# What every record carries; anything beyond came in by `extra=` and belongs to the event.
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def configure(level: str, fmt: LogFormat) -> None:
    """Send everything from `level` up to stderr; `auto` is text on a terminal, else JSON."""
    handler = logging.StreamHandler()
    as_text = fmt == "text" or (fmt == "auto" and sys.stderr.isatty())
    handler.setFormatter(_TextFormatter() if as_text else _JsonFormatter())
    handler.addFilter(Repeats(REPEAT_S))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What matters of the client's log reaches us as errors. The rest repeats ten times a second while a broker or a
    # topic is away, and at DEBUG it shows keys, values, passwords and tokens.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("confluent_kafka").setLevel(logging.CRITICAL + 1)
    # It warns of each attempt to reach a collector that is away; an error says that spans were given up.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)


class Repeats(logging.Filter):
    """Lets a warning or an error that says the same as an earlier one pass once in `every_s`, from any thread.

    The next one that passes tells in `repeated` how many were held back.
    """

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, ...], _Told] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one record; what is below WARNING always passes."""
        if record.levelno < logging.WARNING:
            return True
        said = (record.name, record.levelname, record.getMessage(), str(_extra(record)), _error(record))
        with self._lock:
            now_s = self._clock()
            told = self._told.get(said)
            if told is not None and now_s < told.at_s + self._every_s:
                told.held_back += 1
                return False
            self._forget(now_s)
            self._told[said] = _Told(now_s)
        if told is not None and told.held_back:
            record.repeated = told.held_back
        return True

    def _forget(self, now_s: float) -> None:
        long_ago_s = now_s - _REMEMBERED * self._every_s
        self._told = {said: told for said, told in self._told.items() if told.at_s > long_ago_s}


@dataclass(slots=True)
class _Told:
    at_s: float
    held_back: int = 0


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger and event, then what `extra=` gave, then the traceback if there is one."""
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
    """Time, level, event and `name=value` pairs; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """What does not print is escaped: nobody can forge a second line, or steer the terminal."""
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
