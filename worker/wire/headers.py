"""The headers that the worker reads and writes. `Header` is their only list, also for the commands and the docs."""

import re
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final, Self

from worker.broker.contract import Headers, Record
from worker.wire.reasons import Reason
from worker.wire.scored import Model

MAX_ERROR_CHARACTERS: Final = 1000
# Every header that the worker adds begins with this. A replayed dead letter has old ones, which are replaced.
PREFIX: Final = "sentiment-"


class On(Enum):
    """Which records have a header."""

    RESULTS = "results, dead letters"
    DEAD_LETTERS = "dead letters"
    REPLAYED = "replayed reviews, then their results and dead letters"


class Header(StrEnum):
    """A header that the worker adds: its name, the records that have it, and what its value means."""

    on: On
    meaning: str

    def __new__(cls, name: str, on: On, meaning: str) -> Self:
        """Return the name as a str with the other attributes."""
        header = str.__new__(cls, name)
        header._value_, header.on, header.meaning = name, on, meaning
        return header

    SOURCE = "sentiment-source", On.RESULTS, "`topic-partition-offset` of the input record"
    WORKER = "sentiment-worker", On.RESULTS, "version of the worker"
    MODEL = "sentiment-model", On.RESULTS, "`name@version` of the model"
    MODEL_SHA256 = "sentiment-model-sha256", On.RESULTS, "SHA-256 digest of the model's manifest"
    REASON = "sentiment-reason", On.DEAD_LETTERS, f"why: one of {', '.join(Reason)}"
    ERROR = "sentiment-error", On.DEAD_LETTERS, f"the error message, at most {MAX_ERROR_CHARACTERS} characters"
    FAILED_AT = "sentiment-failed-at", On.DEAD_LETTERS, "when the worker rejected the record, RFC 3339"
    SOURCE_TOPIC = "sentiment-source-topic", On.DEAD_LETTERS, "topic of the input record"
    SOURCE_PARTITION = "sentiment-source-partition", On.DEAD_LETTERS, "its partition"
    SOURCE_OFFSET = "sentiment-source-offset", On.DEAD_LETTERS, "its offset"
    SOURCE_TIMESTAMP = "sentiment-source-timestamp", On.DEAD_LETTERS, "its timestamp in epoch milliseconds, or empty"
    REPLAYS = "sentiment-replays", On.REPLAYED, "how many times `sentiment-worker replay` sent the review back"


# Plain strings for what runs once a review: looking up a member takes longer.
_SOURCE: Final = Header.SOURCE.value
_REPLAYS: Final = Header.REPLAYS.value
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")


def carried_headers(record: Record) -> Headers:
    """Return the headers that the output keeps: those of the producer, `traceparent` too, and the count of replays."""
    if not record.headers:
        return ()
    return tuple(header for header in record.headers if header[0] == _REPLAYS or not header[0].startswith(PREFIX))


def replayed_headers(record: Record) -> Headers:
    """Return the headers of a dead letter that is sent back: the producer's, and the count of replays plus one."""
    kept = (header for header in carried_headers(record) if header[0] != _REPLAYS)
    return (*kept, (_REPLAYS, b"%d" % (replays_of(record) + 1)))


def replays_of(record: Record) -> int:
    """Return how many times a record was sent back from the dead-letter topic; 0 if the header holds no count."""
    count = dict(record.headers).get(_REPLAYS) or b""
    return int(count) if count.isdigit() and len(count) < 10 else 0  # int() refuses to read thousands of digits


def trace_id_of(record: Record) -> str | None:
    """Return the trace id in the record's header `traceparent` (W3C Trace Context), None without a valid one."""
    found = _TRACEPARENT.fullmatch(dict(record.headers).get("traceparent") or b"")
    return found[1].decode() if found else None


def handler_headers(*, worker_version: str, model: Model) -> Headers:
    """Return the part of `provenance` that is the same for all records of one worker and model."""
    return (
        (Header.WORKER.value, worker_version.encode()),
        (Header.MODEL.value, f"{model.name}@{model.version}".encode()),
        (Header.MODEL_SHA256.value, model.sha256.encode()),
    )


def provenance(record: Record, handled_by: Headers) -> Headers:
    """Return the carried headers, then the source of the record, then `handled_by`."""
    topic, partition = record.partition
    source = (_SOURCE, f"{topic}-{partition}-{record.offset}".encode())
    return (*carried_headers(record), source, *handled_by)


def dead_letter_headers(
    record: Record, *, reason: Reason, error: str, failed_at: datetime, handled_by: Headers
) -> Headers:
    """Return `provenance`, then why and when the record failed, then its source in separate headers for tools."""
    topic, partition = record.partition
    timestamp = b"" if record.timestamp_ms is None else str(record.timestamp_ms).encode()
    return (
        *provenance(record, handled_by),
        (Header.REASON.value, reason.value.encode()),
        (Header.ERROR.value, error[:MAX_ERROR_CHARACTERS].encode("utf-8", "backslashreplace")),
        (Header.FAILED_AT.value, failed_at.isoformat().encode()),
        (Header.SOURCE_TOPIC.value, topic.encode()),
        (Header.SOURCE_PARTITION.value, str(partition).encode()),
        (Header.SOURCE_OFFSET.value, str(record.offset).encode()),
        (Header.SOURCE_TIMESTAMP.value, timestamp),
    )
