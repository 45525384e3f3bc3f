"""The whole demo, from the broker to the last line on the screen; cli.py is its command line."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.demo.errors import DemoFailed
from deploy.demo.interrupts import Interrupted, Shielded, raise_on_signals
from deploy.demo.picture import Picture
from deploy.demo.run import Outcome, run
from deploy.demo.sample import read_sample, repeated
from deploy.demo.stage import set_up
from deploy.demo.view import View, Views, open_view, summary
from deploy.kafka.broker import LauncherError
from deploy.kafka.launcher import choose_broker
from worker.errors import WorkerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What there is to choose."""

    reviews: int
    bootstrap_servers: str | None  # of a broker that runs; else one is started
    svg: Path | None  # where the view half-way through goes as a picture


def play(options: Options) -> int:
    """Play the demo; the exit status."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters arrives as an error of ours
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # where there is no UTF-8, bars are shown as ?
    console = Console(highlight=False)
    complaints: list[str] = []
    try:
        raise_on_signals()
        with Shielded() as stack, _interruption_told(console):
            complaints += _play(options, console, stack).complaints
    except Interrupted as interrupted:
        for note in _notes(interrupted):
            _say(console, f"FAILED: {note}", style="bold red")
        _say(console, "interrupted: everything that was started has been ended")
        return interrupted.exit_status
    except (DemoFailed, LauncherError, WorkerError) as error:
        complaints += [str(error), *_notes(error)]
    for complaint in complaints:
        _say(console, f"FAILED: {complaint}", style="bold red")
    if complaints:
        return 1
    _say(console, "OK: nothing lost, nothing duplicated, and the worker drained", style="bold green")
    return 0


def _play(options: Options, console: Console, stack: ExitStack) -> Outcome:
    """The whole demo, up to the summary; `stack` ends what it starts."""

    def tell(line: str) -> None:
        _say(console, line)

    @contextmanager
    def views() -> Iterator[View]:
        with open_view(console) as view:
            yield Views(view, Picture(options.svg)) if options.svg else view

    sample = read_sample()
    reviews = list(repeated(sample, options.reviews))
    with console.status("getting ready"):
        if not options.bootstrap_servers:
            tell("broker: starting a Kafka, in a container or else as a local process")
        broker = stack.enter_context(choose_broker(options.bootstrap_servers, tell=tell))
        tell(f"broker: {broker.description}")
        stage = set_up(broker, reviews, tell=tell, stack=stack)
    tell(f"publishing {len(reviews):,} reviews")
    outcome = run(stage, len(reviews), views)
    console.print(summary(outcome.last, sample_size=len(sample), drained=outcome.drained))
    return outcome


def _notes(error: BaseException) -> Sequence[str]:
    """What cleaning up had to say while the error was on its way."""
    return getattr(error, "__notes__", ())


@contextmanager
def _interruption_told(console: Console) -> Iterator[None]:
    try:
        yield
    except Interrupted:
        _say(console, "interrupted: ending what was started")  # which may take seconds
        raise


def _say(console: Console, line: str, style: str = "") -> None:
    """On a terminal lines are broken between words; in a log each stays whole."""
    console.print(line, style=style, markup=False, soft_wrap=not console.is_terminal)
