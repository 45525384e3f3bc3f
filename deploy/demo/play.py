"""The whole demo, from starting the broker to the last line on the screen; cli.py is its command line."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from deploy.demo.errors import DemoFailed
from deploy.demo.interrupts import Interrupted, raise_on_signals, shielded_stack
from deploy.demo.picture import pictured
from deploy.demo.run import RunResult, run
from deploy.demo.sample import read_sample, repeated
from deploy.demo.stage import set_up
from deploy.demo.view import Frame, show, summary
from deploy.kafka.broker import LauncherError
from deploy.kafka.launcher import choose_broker
from worker.errors import WorkerError


def play(*, reviews: int, bootstrap_servers: str | None, svg: Path | None) -> int:
    """Run the demo and return the exit status; `bootstrap_servers` None: start a broker; `svg`: picture to write."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the worker's adapter raises the errors that matter
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # without UTF-8, bars are shown as ?
    console = Console(highlight=False)
    complaints: list[str] = []
    try:
        raise_on_signals()
        with shielded_stack() as stack:
            try:
                complaints += _play(reviews, bootstrap_servers, svg, console, stack).complaints
            except Interrupted:
                _say(console, "interrupted: stopping what was started")  # this may take seconds
                raise
    except Interrupted as interrupted:
        for note in _notes(interrupted):
            _say(console, f"FAILED: {note}", style="bold red")
        _say(console, "interrupted: everything that was started has been stopped")
        return interrupted.exit_status
    except (DemoFailed, LauncherError, WorkerError) as error:
        complaints += [str(error), *_notes(error)]
    for complaint in complaints:
        _say(console, f"FAILED: {complaint}", style="bold red")
    if complaints:
        return 1
    _say(console, "OK: nothing lost, nothing duplicated, and the worker drained", style="bold green")
    return 0


def _play(count: int, address: str | None, svg: Path | None, console: Console, stack: ExitStack) -> RunResult:
    """The demo up to the summary; `stack` stops everything that it starts."""

    def report(line: str) -> None:
        _say(console, line)

    def show_and_draw(frames: Iterator[Frame]) -> None:
        show(pictured(frames, svg) if svg else frames, console)

    sample = read_sample()
    reviews = list(repeated(sample, count))
    with console.status("getting ready"):
        if not address:
            report("broker: starting a Kafka, in a container or else as a local process")
        broker = stack.enter_context(choose_broker(address, report=report))
        report(f"broker: {broker.description}")
        stage = set_up(broker, reviews, report=report, stack=stack)
    report(f"publishing {len(reviews):,} reviews")
    result = run(stage, len(reviews), show_and_draw)
    console.print(summary(result.last, sample_size=len(sample), drained=result.drained))
    return result


def _notes(error: BaseException) -> Sequence[str]:
    """The problems of the cleanup while the error was raised."""
    return getattr(error, "__notes__", ())


def _say(console: Console, line: str, style: str = "") -> None:
    """Print a line, wrapped between words on a terminal but not in a log."""
    console.print(line, style=style, markup=False, soft_wrap=not console.is_terminal)
