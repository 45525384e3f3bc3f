"""What the commands show on a terminal: progress on stderr, JSON on stdout."""

import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich import progress as bars
from rich.console import Console

from worker.commands.review_files import FileFormat, FileRow, UnreadableRow, open_input, read_reviews


class FileProgress:
    """How far a file of reviews is read, and which of its rows failed. Shown on stderr."""

    def __init__(self, progress: bars.Progress, stream: io.BufferedReader, name: str, doing: str) -> None:
        self.failed = 0
        self._progress = progress
        self._stream = stream
        self._name = name
        self._reviews = 0
        status = os.fstat(stream.fileno())
        self._size_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None  # that of a pipe is unknown
        self._task = progress.add_task(doing, total=self._size_bytes, reviews=0)

    def advance(self, reviews: int) -> None:
        """Add this many reviews to those that are done."""
        self._reviews += reviews
        completed = None if self._size_bytes is None else self._stream.tell()
        self._progress.update(self._task, completed=completed, reviews=self._reviews)

    def fail(self, row: UnreadableRow) -> None:
        """Count a row that failed, and print its line number and why."""
        self.failed += 1
        self.print(f"{self._name}:{row.line}: {row.why}")

    def print(self, line: str) -> None:
        """Print a line above the progress bar."""
        self._progress.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


@contextmanager
def open_reviews(source: str, file_format: FileFormat, doing: str) -> Iterator[tuple[Iterator[FileRow], FileProgress]]:
    """Open a file of reviews, or stdin for `-`: yields its rows and its progress, with a bar if stderr is a terminal.

    Raises SettingsRejected if a CSV has no column `text`.
    """
    counted = bars.TextColumn("{task.fields[reviews]:,} reviews")
    columns = counted, bars.TimeElapsedColumn(), bars.TimeRemainingColumn()
    with open_input(source) as stream, _progress(*columns) as progress:
        shown = FileProgress(progress, stream, "stdin" if source == "-" else source, doing)
        yield read_reviews(stream, file_format, source), shown


@contextmanager
def countdown_bar(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many are done of how many there are, if stderr is a terminal; yields a function of (done, left)."""
    with _progress(bars.MofNCompleteColumn(), bars.TimeElapsedColumn()) as progress:
        task = progress.add_task(doing, total=None)

        def advance(done: int, left: int) -> None:
            progress.advance(task, done)
            progress.update(task, total=progress.tasks[task].completed + left)

        yield advance


def _progress(*columns: bars.ProgressColumn) -> bars.Progress:
    console = Console(stderr=True)
    described = bars.TextColumn("{task.description}"), bars.BarColumn()
    return bars.Progress(*described, *columns, console=console, disable=not console.is_terminal)


def echo_json(document: object, *, err: bool = False) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(document, ensure_ascii=False), err=err)


def printable(text: str) -> str:
    """Escape control characters, which could steer the terminal: ids come from outside."""
    return text if text.isprintable() else repr(text)
