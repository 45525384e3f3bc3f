"""What the demo shows: a live view on a terminal, a line every two seconds elsewhere, and the summary."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.demo.metrics_reader import WorkerMetrics
from deploy.demo.scoreboard import Row, Snapshot

PLAIN_EVERY_S: Final = 2.0
FIXED_LINES: Final = 11  # of a frame: all but the rows of the reviews
SPARKS: Final = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH: Final = 11  # what a tile has room for where the terminal has 80 columns
OPENING_CHARS: Final = 200  # more than any line shows
COLOURS: Final = {"positive": "green", "negative": "red"}


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that is shown at one moment."""

    snapshot: Snapshot
    metrics: WorkerMetrics
    total: int  # reviews that will be published
    broker: str


class View(Protocol):
    """Shows a run as it goes on."""

    def show(self, frame: Frame) -> None:
        """Take the newest frame."""
        ...


@contextmanager
def open_view(console: Console) -> Iterator[View]:
    """What suits the console; gives the terminal back at the end."""
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield LiveView(live)
    else:
        yield PlainView(console)


class LiveView(View):
    """A picture that changes in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, frame: Frame) -> None:
        """See View."""
        self._live.update(render(frame, lines=self._live.console.height - 1), refresh=True)


class PlainView(View):
    """One line every two seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._due_s = 0.0

    def show(self, frame: Frame) -> None:
        """See View."""
        if (now_s := time.monotonic()) >= self._due_s:
            self._due_s = now_s + PLAIN_EVERY_S
            self._console.print(plain_line(frame), soft_wrap=True, highlight=False)


class Views(View):
    """Several at once."""

    def __init__(self, *views: View) -> None:
        self._views = views

    def show(self, frame: Frame) -> None:
        """See View."""
        for view in self._views:
            view.show(frame)


def plain_line(frame: Frame) -> str:
    """The numbers of a frame."""
    shot, metrics = frame.snapshot, frame.metrics
    return (
        f"{shot.answered:,} of {frame.total:,} reviews scored, {shot.per_s_now:,.0f}/s now, {shot.per_s:,.0f}/s mean, "
        f"latency p50 {seconds(shot.latency_p50_s)} p99 {seconds(shot.latency_p99_s)}, "
        f"lag {metrics.lag_records:,}, {shot.lost:,} queued, batch {_batch(metrics)}"
    )


def render(frame: Frame, *, lines: int) -> RenderableType:
    """A frame as a picture of at most `lines` lines, with as many of the latest reviews as fit."""
    rows = max(1, lines - FIXED_LINES)
    return Group(_heading(frame), _progress(frame), _tiles(frame), _latest(frame.snapshot.latest[:rows]))


def summary(frame: Frame, *, sample_size: int, drained: bool) -> RenderableType:
    """The table at the end; `drained` tells whether the worker ended in order."""
    shot = frame.snapshot
    table = Table(title="Summary", title_justify="left", show_header=False, box=box.ROUNDED, padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    repeats = f": {sample_size:,} different ones, then again with #2, #3 ... after the id"
    latency = (
        f"p50 {seconds(shot.latency_p50_s)}, p99 {seconds(shot.latency_p99_s)}, from the timestamp of the review's "
        "message until the demo read the result; mostly the wait in line, as all are published at once"
    )
    for name, value in (
        ("reviews in", f"{shot.published:,}{repeats if shot.published > sample_size else ''}"),
        ("reviews out", f"{shot.scored:,}"),
        ("lost", f"{shot.lost:,}"),
        ("duplicated", f"{shot.duplicated:,}"),
        ("dead letters", f"{shot.dead_letters:,}"),
        ("throughput", f"{shot.per_s:,.0f} reviews/s over {shot.elapsed_s:.1f} s"),
        ("latency", latency),
        ("accuracy", f"{_accuracy(shot)} of {shot.scored:,} scores agree with the label"),
        ("model", f"{frame.metrics.model} ({frame.metrics.engine})"),
        ("broker", frame.broker),
        ("worker", "drained after SIGTERM, exit status 0" if drained else "did not end in order, see below"),
    ):
        table.add_row(name, Text(value))
    return table


def seconds(value_s: float | None) -> str:
    """A time for people, three digits of it."""
    if value_s is None:
        return "-"
    if value_s < 1:
        return f"{value_s * 1000:.0f} ms"
    return f"{value_s:.2f} s" if value_s < 10 else f"{value_s:.1f} s"


def sparkline(values: Sequence[float]) -> str:
    """The last SPARKLINE_WIDTH values as bars from 0 to the largest of them."""
    shown = values[-SPARKLINE_WIDTH:]
    largest = max(shown, default=0.0)
    if largest <= 0:
        return SPARKS[0] * len(shown)
    return "".join(SPARKS[round(value / largest * (len(SPARKS) - 1))] for value in shown)


def opening(text: str) -> str:
    """The first words of a review on one line."""
    words = " ".join(text[:OPENING_CHARS].replace("<br />", " ").split())
    return "".join(char if char.isprintable() else "?" for char in words)


def _heading(frame: Frame) -> RenderableType:
    facts = Text.assemble(
        ("broker  ", "dim"),
        frame.broker,
        ("\nmodel   ", "dim"),
        f"{frame.metrics.model}, {frame.metrics.engine}",
        no_wrap=True,
        overflow="ellipsis",
    )
    return Panel(facts, title="[bold]sentiment-worker[/bold]", title_align="left", box=box.ROUNDED, border_style="cyan")


def _progress(frame: Frame) -> RenderableType:
    shot = frame.snapshot
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_row(
        Text.assemble((f" {shot.answered:,}", "bold"), f" of {frame.total:,} scored"),
        ProgressBar(total=frame.total, completed=shot.answered),
        f"{shot.answered / frame.total:4.0%}  {shot.elapsed_s:5.1f} s ",
    )
    return line


def _tiles(frame: Frame) -> RenderableType:
    shot, metrics = frame.snapshot, frame.metrics
    tiles = {
        "reviews/s": (f"{shot.per_s_now:,.0f}", f"{shot.per_s:,.0f} mean", sparkline(shot.per_s_history)),
        "latency": (seconds(shot.latency_p50_s), "p50", f"{seconds(shot.latency_p99_s)} p99"),
        "lag": (f"{metrics.lag_records:,}", "in the topic", f"{shot.lost:,} queued"),
        "batch": (_batch(metrics), "mean size", f"{metrics.batches:,} batches"),
        "accuracy": (_accuracy(shot), f"{shot.right:,} right", f"{shot.scored - shot.right:,} wrong"),
    }
    row = Table.grid(expand=True)
    for _ in tiles:
        row.add_column(ratio=1)
    row.add_row(*(_tile(title, *lines) for title, lines in tiles.items()))
    return row


def _tile(title: str, figure: str, first: str, second: str) -> RenderableType:
    body = Group(Text(figure, style="bold"), Text(first, style="dim"), Text(second, style="dim"))
    return Panel(body, title=title, title_align="left", box=box.ROUNDED, border_style="dim")


def _latest(rows: Sequence[Row]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("score", justify="right")
    table.add_column("sentiment")
    table.add_column("label")
    table.add_column("review", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(
            f"{row.verdict.score:.3f}",
            Text(row.verdict.sentiment, style=COLOURS[row.verdict.sentiment]),
            Text("right", style="green") if row.is_right else Text("wrong", style="bold yellow"),
            Text(opening(row.review.text)),
        )
    return table


def _batch(metrics: WorkerMetrics) -> str:
    mean = metrics.reviews_per_batch
    return "-" if mean is None else f"{mean:.1f}"


def _accuracy(shot: Snapshot) -> str:
    return "-" if shot.accuracy is None else f"{shot.accuracy:.1%}"
