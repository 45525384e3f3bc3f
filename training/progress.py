"""Shows the progress of long work: a bar on a terminal, elsewhere a line at each tenth."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Show = Callable[..., None]  # takes the completed part of the total, and a short note


def new_console(*, stderr: bool = False) -> Console:
    """A console that prints texts unchanged: it keeps brackets in paths, and does not wrap lines in a pipe."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


@contextmanager
def showing(console: Console, title: str, total: int) -> Iterator[Show]:
    """Show the progress of one task of size `total`; call what it yields at each step."""
    plain, shown = not console.is_terminal, 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console, disable=plain) as bar:
        task = bar.add_task(title, total=max(total, 1), note="")

        def show(completed: int, note: str = "") -> None:
            nonlocal shown
            bar.update(task, completed=completed, note=note)
            tenths = 10 * completed // max(total, 1)
            if plain and tenths > shown:
                shown = tenths
                console.print(f"{title}: {10 * tenths} % {note}".rstrip())

        yield show
