"""Reviews from files: JSON lines, CSV with a header, or plain text, read one at a time in bounded memory.

In every format a row becomes one value of the input topic, and the worker's own decoder reads it.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Final, Literal, Protocol, cast

from worker.errors import SettingsRejected, UnreadableReview
from worker.wire.review import Review, decode_review

FileFormat = Literal["auto", "jsonl", "csv", "text"]

MAX_ROW_BYTES: Final = 16 * 1024 * 1024  # of a line or a CSV cell; longer ones are not reviews
_BOM: Final = b"\xef\xbb\xbf"
_EXTENSIONS: Final[dict[str, FileFormat]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".txt": "text",
}


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One review, and its value on the input topic."""

    line: int  # its first line, from 1
    value: bytes
    review: Review


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that is not a review."""

    line: int
    why: str  # never quotes the row


FileRow = ReviewRow | UnreadableRow


class Progress(Protocol):
    """Follows how a command works through the rows of a file."""

    def advance(self, reviews: int) -> None:
        """Add this many reviews to those that are done."""

    def fail(self, row: UnreadableRow) -> None:
        """Count a row that failed, and report its line number and why."""


def readable(rows: Iterable[FileRow], progress: Progress) -> Iterator[ReviewRow]:
    """Yield the rows that are reviews, in order; the others fail."""
    for row in rows:
        if isinstance(row, ReviewRow):
            yield row
        else:
            progress.fail(row)


def open_input(path: str) -> AbstractContextManager[io.BufferedReader]:
    """Open a file, or stdin for `-`."""
    return nullcontext(cast(io.BufferedReader, sys.stdin.buffer)) if path == "-" else Path(path).open("rb")


def read_reviews(stream: io.BufferedReader, file_format: FileFormat, name: str) -> Iterator[FileRow]:
    """Return the rows of a file in order, without blank lines.

    `auto` finds the format by the extension of `name`, else by the first line. Raises SettingsRejected when a CSV has
    no column `text`.
    """
    if file_format == "auto":
        file_format = _EXTENSIONS.get(PurePath(name).suffix.lower()) or _recognized(stream)
    if file_format == "csv":
        return _read_csv(stream, name)
    return _read_lines(stream, _value_of_text if file_format == "text" else bytes.strip)


def _recognized(stream: io.BufferedReader) -> FileFormat:
    """Find the format by the buffered part of the first line."""
    start = stream.peek(1).removeprefix(_BOM).lstrip()
    if start.startswith(b"{"):
        return "jsonl"
    first_line = start.partition(b"\n")[0].decode("utf-8", "replace")
    return "csv" if "text" in _columns(csv.reader([first_line])) else "text"


def _read_lines(stream: io.BufferedReader, to_value: Callable[[bytes], bytes]) -> Iterator[FileRow]:
    number = 0
    while line := stream.readline(MAX_ROW_BYTES):
        number += 1
        content: bytes | None = line.removeprefix(_BOM if number == 1 else b"")
        while len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):  # skip the rest of a line that is too long
            content, line = None, stream.readline(MAX_ROW_BYTES)
        if content is None:
            yield UnreadableRow(number, f"longer than {MAX_ROW_BYTES} bytes")
        elif content.strip():
            yield _row(number, partial(to_value, content))


def _value_of_text(line: bytes) -> bytes:
    return _to_json({"text": line.decode("utf-8").rstrip("\r\n")})


def _read_csv(stream: io.BufferedReader, name: str) -> Iterator[FileRow]:
    csv.field_size_limit(MAX_ROW_BYTES)
    # Strict, so that a stray quote is an error of its row and does not swallow the rows after it.
    reader = csv.reader(_decoded(stream), strict=True)
    columns = _columns(reader)
    if "text" not in columns:
        raise SettingsRejected(f"{name}: the first line of a CSV names its columns, but none of them is `text`")

    def value_of(cells: list[str]) -> bytes:
        if len(cells) > len(columns):
            raise ValueError(f"{len(cells)} cells for {len(columns)} columns; put a text with commas in quotes")
        named = zip(columns, cells, strict=False)
        return _to_json({column: cell for column, cell in named if cell or column == "text"})

    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            yield UnreadableRow(number, f"not CSV: {exc}")
            continue
        if cells is None:
            return
        if cells:
            yield _row(number, partial(value_of, cells))


def _decoded(stream: io.BufferedReader) -> Iterator[str]:
    """Yield lines. A byte that is not UTF-8 becomes a lone surrogate, so that only its own row fails."""
    first = stream.readline(MAX_ROW_BYTES).removeprefix(_BOM)
    yield first.decode("utf-8", "surrogateescape")
    while line := stream.readline(MAX_ROW_BYTES + 1):  # one more than a cell may have, so that a longer one fails
        yield line.decode("utf-8", "surrogateescape")


def _columns(rows: Iterator[list[str]]) -> list[str]:
    try:
        return [column.strip() for column in next(rows, [])]
    except csv.Error:
        return []


def _to_json(fields: dict[str, str]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode("utf-8")


def _row(line: int, to_value: Callable[[], bytes]) -> FileRow:
    try:
        value = to_value()
        return ReviewRow(line, value, decode_review(value))
    except UnreadableReview as exc:
        return UnreadableRow(line, f"{exc.reason}: {exc}")
    except UnicodeError:
        return UnreadableRow(line, "not UTF-8")
    except ValueError as exc:
        return UnreadableRow(line, str(exc))
