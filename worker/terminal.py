"""What the commands show people on a terminal."""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(doing: str, stream: io.BufferedReader) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while `stream` is read, if that is a terminal; yields what counts reviews."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[reviews]:,} reviews"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    size_bytes = _size_bytes(stream)
    with bar:
        task = bar.add_task(doing, total=size_bytes, reviews=0)

        def advance(reviews: int) -> None:
            done = bar.tasks[0].fields["reviews"] + reviews
            bar.update(task, reviews=done, completed=None if size_bytes is None else stream.tell())

        yield advance


def _size_bytes(stream: io.BufferedReader) -> int | None:
    """Return how much a regular file holds; nobody knows of a pipe."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def printable(text: str) -> str:
    """Escape what could steer the terminal: ids come from strangers."""
    return text if text.isprintable() else repr(text)
