"""How the process logs: one line an event, readable on a terminal, JSON for whatever collects logs elsewhere."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

LogFormat = Literal["auto", "text", "json"]

# What every record carries; anything beyond came in by `extra=` and belongs to the event.
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def configure(level: str, fmt: LogFormat) -> None:
    """Send everything from `level` up to stderr; `auto` is text on a terminal, else JSON."""
    handler = logging.StreamHandler()
    as_text = fmt == "text" or (fmt == "auto" and sys.stderr.isatty())
    handler.setFormatter(_TextFormatter() if as_text else _JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What matters of the client's log reaches us as errors. The rest repeats ten times a second while a broker or a
    # topic is away, and at DEBUG it shows keys, values, passwords and tokens.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


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
        """Line breaks inside an event are escaped, so that nobody can forge a second one."""
        pairs = "".join(f" {name}={value}" for name, value in _extra(record).items())
        event = f"{record.getMessage()}{pairs}".replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_time(record)} {record.levelname:<7} {event}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
