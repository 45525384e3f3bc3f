"""What the commands show people on a terminal."""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """How far a file has been read, on stderr."""

    def __init__(self, progress: Progress, task: TaskID, stream: io.BufferedReader, *, sized: bool) -> None:
        self._progress = progress
        self._task = task
        self._stream = stream
        self._sized = sized
        self._reviews = 0

    def advance(self, reviews: int) -> None:
        """Count reviews that are through."""
        self._reviews += reviews
        completed = self._stream.tell() if self._sized else None
        self._progress.update(self._task, completed=completed, reviews=self._reviews)

    def tell(self, line: str) -> None:
        """Write a line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


@contextmanager
def progress_bar(doing: str, stream: io.BufferedReader) -> Iterator[Bar]:
    """Show how far `stream` is read, if stderr is a terminal."""
    console = Console(stderr=True)
    size_bytes = _size_bytes(stream)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[reviews]:,} reviews"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task(doing, total=size_bytes, reviews=0)
        yield Bar(progress, task, stream, sized=size_bytes is not None)


@contextmanager
def countdown_bar(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many are done of how many there are, if stderr is a terminal; yields what takes (done, left)."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, disable=not console.is_terminal,
    )  # fmt: skip
    with progress:
        task = progress.add_task(doing, total=None)
        done_so_far = 0

        def advance(done: int, left: int) -> None:
            nonlocal done_so_far
            done_so_far += done
            progress.update(task, completed=done_so_far, total=done_so_far + left)

        yield advance


def _size_bytes(stream: io.BufferedReader) -> int | None:
    """Return how much a regular file holds; nobody knows of a pipe."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def printable(text: str) -> str:
    """Escape what could steer the terminal: ids come from strangers."""
    return text if text.isprintable() else repr(text)
