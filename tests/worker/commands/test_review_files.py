"""Files of reviews: readable rows are read as the worker reads them, the others are reported by their line."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands import review_files
from worker.commands.review_files import FileFormat, FileRow, ReviewRow, UnreadableRow, read_reviews
from worker.errors import SettingsRejected
from worker.wire.review import decode_review


def read(content: bytes, file_format: FileFormat = "auto", name: str = "stdin") -> list[FileRow]:
    return list(read_reviews(io.BufferedReader(io.BytesIO(content)), file_format, name))


def texts(rows: list[FileRow]) -> list[str]:
    return [row.review.text for row in rows if isinstance(row, ReviewRow)]


def failures(rows: list[FileRow]) -> list[tuple[int, str]]:
    return [(row.line, row.why) for row in rows if isinstance(row, UnreadableRow)]


def test_json_lines_are_kept_as_they_stand() -> None:
    rows = read(b'{"text": "a",  "label": 1}\n\n  {"review_id": "r", "text": "b"}\r\n{"text": "no newline"}', "jsonl")
    assert [(row.line, row.value) for row in rows if isinstance(row, ReviewRow)] == [
        (1, b'{"text": "a",  "label": 1}'),
        (3, b'{"review_id": "r", "text": "b"}'),
        (4, b'{"text": "no newline"}'),
    ]


def test_an_unreadable_json_line_is_reported_and_affects_no_other() -> None:
    rows = read(b'{"text": "a"}\n{"text": 5}\nnot json\n\xff\n{"text": "b"}\n', "jsonl")
    assert texts(rows) == ["a", "b"]
    assert [line for line, _ in failures(rows)] == [2, 3, 4]
    assert "invalid_review: text: " in failures(rows)[0][1]
    assert "not json" not in str(failures(rows))


def test_plain_text_is_a_review_a_line_and_a_line_that_is_not_utf_8_is_reported() -> None:
    rows = read('  Good, "really".\r\n\n  \nSchön 😀\x00\n'.encode(), "text")
    assert texts(rows) == ['  Good, "really".', "Schön 😀\x00"]
    assert [row.line for row in rows] == [1, 4]
    assert failures(read(b"good\ncaf\xe9\n", "text")) == [(2, "not UTF-8")]


def test_csv_columns_become_fields_and_empty_cells_are_left_out() -> None:
    rows = read(b'review_id,text,label\nr-1,"a, b",1\n,"two\nlines",\n\nr-3,,0\n', "csv")
    assert [json.loads(row.value) for row in rows if isinstance(row, ReviewRow)] == [
        {"review_id": "r-1", "text": "a, b", "label": "1"},
        {"text": "two\nlines"},
        {"review_id": "r-3", "text": "", "label": "0"},
    ]
    assert [row.line for row in rows] == [2, 3, 6]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b"r,unquoted, comma\n", "3 cells for 2 columns"),
        (b'r,"stray" quote\n', "not CSV"),
        (b"r\n", "invalid_review: text"),
        (b"r,caf\xe9\n", "not UTF-8"),
    ],
)
def test_a_bad_csv_row_is_reported_and_affects_no_other(row: bytes, why: str) -> None:
    rows = read(b"review_id,text\n1,a\n" + row + b"2,b\n", "csv")
    assert texts(rows) == ["a", "b"]
    [(line, reported)] = failures(rows)
    assert line == 3
    assert reported.startswith(why)


def test_a_quote_that_is_never_closed_is_an_error_of_its_row() -> None:
    rows = read(b'text\na\n"b\nc\n', "csv")
    assert texts(rows) == ["a"]
    assert [line for line, _ in failures(rows)] == [3]


@pytest.mark.parametrize("header", [b"", b"review,id\n", b'"text\n'])
def test_a_csv_without_a_column_text_is_refused_whole(header: bytes) -> None:
    with pytest.raises(SettingsRejected, match=r"reviews\.csv: the first line .* names its columns"):
        read(header + b"a,b\n", name="reviews.csv")


def test_a_csv_cell_may_be_far_longer_than_the_library_allows_by_default() -> None:
    long = "word " * 1_000_000
    assert texts(read(f'text\n"{long}"\n'.encode(), "csv")) == [long]


@pytest.mark.parametrize("file_format", ["jsonl", "text"])
def test_a_line_beyond_the_limit_is_skipped_and_reported(
    monkeypatch: pytest.MonkeyPatch, file_format: FileFormat
) -> None:
    monkeypatch.setattr(review_files, "MAX_ROW_BYTES", 20)
    rows = read(b'{"text": "a"}\n' + b"x" * 70 + b'\n{"text": "b"}\n', file_format)
    assert [row.line for row in rows] == [1, 2, 3]
    assert failures(rows) == [(2, "longer than 20 bytes")]


def test_a_csv_cell_beyond_the_limit_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_files, "MAX_ROW_BYTES", 20)
    rows = read(b"text\na\n" + b"x" * 21 + b"\nb\n", "csv")
    assert texts(rows)[0] == "a"
    assert texts(rows)[-1] == "b"
    assert failures(rows)[0][0] == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"text": "a"}'),
        ("a.NDJSON", b'{"text": "a"}'),
        ("a.csv", b"text\na"),
        ("a.txt", b"a"),
        ("stdin", b'\xef\xbb\xbf {"text": "a"}'),
        ("stdin", b'label,"text"\n1,a'),
        ("stdin", b"\xef\xbb\xbftext\r\na\r\n"),
        ("stdin", b"a"),
    ],
)
def test_the_format_is_found_by_the_extension_or_the_first_line(name: str, content: bytes) -> None:
    assert texts(read(content, name=name)) == ["a"]


@pytest.mark.parametrize("name", ["stdin", "a.jsonl", "a.txt"])
def test_an_empty_file_has_no_reviews(name: str) -> None:
    assert read(b"", name=name) == []


@given(st.binary(), st.sampled_from(["auto", "jsonl", "text"]))
def test_any_bytes_are_read_or_reported(content: bytes, file_format: FileFormat) -> None:
    try:
        rows = read(content, file_format)
    except SettingsRejected:
        return  # looked like a CSV
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert all(decode_review(row.value) == row.review for row in rows if isinstance(row, ReviewRow))


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"), min_size=1))))
def test_what_a_csv_writer_writes_is_read_back(reviews: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([("text", "review_id"), *reviews])
    rows = read(file.getvalue().encode(), "csv")
    assert [(row.review.text, row.review.review_id) for row in rows if isinstance(row, ReviewRow)] == reviews
