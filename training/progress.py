"""Shows how far a long piece of work is: a bar on a terminal, a line at each tenth elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def new_console(*, stderr: bool = False) -> Console:
    """A console that prints what it is given: paths with brackets stay whole, and no line is wrapped in a pipe."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


class ProgressDisplay:
    """One piece of work of a known size; use it in a `with` statement."""

    def __init__(self, console: Console, title: str, total: int) -> None:
        self.console = console
        self._title = title
        self._total = max(total, 1)
        self._tenths_shown = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=self._total, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, completed: int, note: str = "") -> None:
        """Say that `completed` of the total is done, with a few words beside it."""
        self._bar.update(self._task, completed=completed, note=note)
        tenths = 10 * completed // self._total
        if not self.console.is_terminal and tenths > self._tenths_shown:
            self._tenths_shown = tenths
            self.console.print(f"{self._title}: {10 * tenths} % {note}".rstrip())
