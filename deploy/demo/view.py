"""The output of the demo: a live view on a terminal, elsewhere a line every two seconds, and the summary."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.demo.metrics_reader import WorkerMetrics
from deploy.demo.scoreboard import ScoredRow, Snapshot

PLAIN_EVERY_S: Final = 2.0
FIXED_LINES: Final = 13  # of a frame: all but the rows of the reviews
LAST_LINES: Final = FIXED_LINES + 3  # of the last frame, so that the summary fits below it
SPARKS: Final = "▁▂▃▄▅▆▇"  # a full block would touch the line above
SPARKLINE_WIDTH: Final = 11  # fits a tile on a terminal of 80 columns
OPENING_CHARS: Final = 200  # more than any line shows
COLOURS: Final = {"positive": "green", "negative": "red"}
LEGEND: Final = " latency: publish → result read · lag: unread in Kafka · queued: no result yet"


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays the same during a run."""

    broker: str  # its name, for people
    address: str
    stream: str  # the topics, from input to output


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that is shown at one moment."""

    snapshot: Snapshot
    metrics: WorkerMetrics
    total: int  # reviews that will be published
    scene: Scene

    @property
    def lag(self) -> int:
        """Reviews that the worker has not read yet.

        Counted here, because the worker's own gauge changes once a second, too rarely for a run of a few seconds. Its
        metrics are older than the snapshot, hence the limit.
        """
        return min(self.snapshot.lost, max(0, self.snapshot.published - self.metrics.records_read))


def show(frames: Iterator[Frame], console: Console) -> None:
    """Show one frame after the other as suits the console; restores the terminal at the end."""
    if console.is_terminal and not console.is_dumb_terminal:
        _show_live(frames, console)
    else:
        _show_plain(frames, console)


def _show_live(frames: Iterator[Frame], console: Console) -> None:
    """A view that is redrawn in place; the last frame has fewer reviews, to make room for the summary."""
    with Live(console=console, auto_refresh=False) as live:
        for frame in frames:
            live.update(render(frame, lines=console.height - 1), refresh=True)
        live.update(render(frame, lines=min(LAST_LINES, console.height - 1)), refresh=True)


def _show_plain(frames: Iterator[Frame], console: Console) -> None:
    """One line every two seconds and one for the last review, for logs and pipes."""
    due_s, complete = 0.0, False
    for frame in frames:
        now_s, is_complete = time.monotonic(), frame.snapshot.answered == frame.total
        if now_s >= due_s or is_complete > complete:
            due_s, complete = now_s + PLAIN_EVERY_S, is_complete
            console.print(plain_line(frame), soft_wrap=True, highlight=False)


def plain_line(frame: Frame) -> str:
    """The numbers of a frame on one line."""
    shot, metrics = frame.snapshot, frame.metrics
    return (
        f"{shot.answered:,} of {frame.total:,} reviews scored, {shot.per_s_now:,.0f}/s now, {shot.per_s:,.0f}/s mean, "
        f"latency p50 {seconds(shot.latency_p50_s)} p99 {seconds(shot.latency_p99_s)}, "
        f"lag {frame.lag:,}, {shot.lost:,} queued, batch {_batch(metrics)}, accuracy {_accuracy(shot)}"
    )


def render(frame: Frame, *, lines: int) -> RenderableType:
    """A frame of at most `lines` lines, with as many of the latest reviews as fit."""
    rows = max(1, lines - FIXED_LINES)
    # The shortest line comes last, because a terminal writes ^C behind it, and wrapping would push the frame up.
    legend = Text(LEGEND, style="dim italic", no_wrap=True, overflow="ellipsis")
    return Group(_heading(frame), _progress(frame), _tiles(frame), _latest(frame.snapshot.latest[:rows]), legend)


def summary(frame: Frame, *, sample_size: int, drained: bool) -> RenderableType:
    """The table at the end; `sample_size`: different reviews; `drained`: whether the worker drained and exited."""
    shot, scene = frame.snapshot, frame.scene
    table = Table(title="Summary", title_justify="left", show_header=False, box=box.ROUNDED, padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    repeats = f": {sample_size:,} different ones, then again with #2, #3 ... after the id"
    latency = (
        f"p50 {seconds(shot.latency_p50_s)}, p99 {seconds(shot.latency_p99_s)} from publishing a review until its "
        "result was read; mostly waiting its turn, as they are published as fast as Kafka takes them"
    )
    rows: Sequence[tuple[str, str, str]] = (
        ("reviews in", f"{shot.published:,}{repeats if shot.published > sample_size else ''}", ""),
        ("reviews out", f"{shot.scored:,}", ""),
        ("lost", f"{shot.lost:,}", _good_if(not shot.lost)),
        ("duplicated", f"{shot.duplicated:,}", _good_if(not shot.duplicated)),
        ("dead letters", f"{shot.dead_letters:,}", ""),
        ("throughput", f"{shot.per_s:,.0f} reviews/s over {shot.elapsed_s:.1f} s", ""),
        ("latency", latency, ""),
        ("accuracy", f"{_accuracy(shot)} of {shot.scored:,} scores agree with the label", ""),
        ("out of domain", f"{shot.out_of_domain:,} of {shot.scored:,}: probably not English, says the model", ""),
        ("model", f"{frame.metrics.model} ({frame.metrics.engine})", ""),
        ("broker", f"{scene.broker} at {scene.address}", ""),
        ("worker", "stopped in order on SIGTERM, exit status 0" if drained else "did not stop in order, see below", ""),
    )
    for name, value, style in rows:
        table.add_row(name, Text(value, style=style))
    return table


def seconds(value_s: float | None) -> str:
    """A time with three digits, for people."""
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
        frame.scene.broker,
        ("\nstream  ", "dim"),
        frame.scene.stream,
        ("\nmodel   ", "dim"),
        f"{frame.metrics.model}, {frame.metrics.engine}",
        no_wrap=True,
        overflow="ellipsis",
    )
    return Panel(
        facts,
        title="[bold]sentiment-worker[/bold]",
        title_align="left",
        subtitle=Text(frame.scene.address),
        subtitle_align="right",
        box=box.ROUNDED,
        border_style="cyan",
    )


def _progress(frame: Frame) -> RenderableType:
    shot = frame.snapshot
    answered = f"{shot.answered:,}".rjust(len(f"{frame.total:,}"))  # so that the bar does not move
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_row(
        Text.assemble((f" {answered}", "bold"), f" of {frame.total:,} scored"),
        ProgressBar(total=frame.total, completed=shot.answered, complete_style="cyan", finished_style="green"),
        f"{shot.answered / frame.total:4.0%}  {shot.elapsed_s:5.1f} s ",
    )
    return line


def _tiles(frame: Frame) -> RenderableType:
    shot, metrics = frame.snapshot, frame.metrics
    tiles = (
        _tile("reviews/s", f"{shot.per_s_now:,.0f}", f"{shot.per_s:,.0f} mean", sparkline(shot.per_s_history), "cyan"),
        _tile("latency", f"{seconds(shot.latency_p50_s)} p50", f"{seconds(shot.latency_p99_s)} p99", "publish→read"),
        _tile("lag", f"{frame.lag:,}", "in the topic", f"{shot.lost:,} queued"),
        _tile("batch", _batch(metrics), "mean size", f"{metrics.batches:,} batches"),
        _tile("accuracy", _accuracy(shot), f"{shot.right:,} right", f"{shot.scored - shot.right:,} wrong"),
    )
    row = Table.grid(expand=True)
    for _ in tiles:
        row.add_column(ratio=1)
    row.add_row(*tiles)
    return row


def _tile(title: str, figure: str, first: str, second: str, style: str = "dim") -> RenderableType:
    body = Text.assemble((figure, "bold"), (f"\n{first}\n", "dim"), (second, style), no_wrap=True)
    return Panel(body, title=title, title_align="left", box=box.ROUNDED, border_style="dim")


def _latest(rows: Sequence[ScoredRow]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="bold")
    table.add_column("score", justify="right")
    table.add_column("sentiment")
    table.add_column("by label")
    table.add_column("latest reviews", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(
            f"{row.prediction.score:.3f}",
            Text(row.prediction.sentiment, style=COLOURS[row.prediction.sentiment]),
            Text("right", style="dim") if row.is_right else Text("wrong", style="bold yellow"),
            Text(opening(row.review.text)),
        )
    return table


def _good_if(good: bool) -> str:
    return "bold green" if good else "bold red"


def _batch(metrics: WorkerMetrics) -> str:
    mean = metrics.reviews_per_batch
    return "-" if mean is None else f"{mean:.1f}"


def _accuracy(shot: Snapshot) -> str:
    return "-" if shot.accuracy is None else f"{shot.accuracy:.1%}"
