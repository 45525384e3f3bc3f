"""The command line of the demo: `python -m deploy.demo`.

Exit status: 0 when nothing was lost or duplicated and the worker drained; 1 when not, or when the demo could not run;
2 for a wrong command line; 128 + n after signal n.
"""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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

REVIEWS_MAX = 1_000_000


def main() -> int:
    """Run the command line; the exit status."""
    arguments = _parser().parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters arrives as an error of ours
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # where there is no UTF-8, bars are shown as ?
    console = Console(highlight=False)
    complaints: list[str] = []
    try:
        raise_on_signals()
        with Shielded() as stack, _interruption_told(console):
            complaints += _play(arguments, console, stack).complaints
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


def _play(arguments: argparse.Namespace, console: Console, stack: ExitStack) -> Outcome:
    """The whole demo, up to the summary; `stack` ends what it starts."""

    def tell(line: str) -> None:
        _say(console, line)

    @contextmanager
    def views() -> Iterator[View]:
        with open_view(console) as view:
            yield Views(view, Picture(arguments.svg)) if arguments.svg else view

    sample = read_sample()
    reviews = list(repeated(sample, arguments.reviews))
    with console.status("getting ready"):
        if not arguments.bootstrap_servers:
            tell("broker: starting a Kafka, in a container or else as a local process")
        broker = stack.enter_context(choose_broker(arguments.bootstrap_servers, tell=tell))
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.demo",
        description="Real reviews through a real Kafka, scored by a worker that is started for it. "
        "SENTIMENT_MODEL and the like hold for that worker.",
    )
    parser.add_argument(
        "--reviews", type=_number, default=2_000, metavar="N", help="how many reviews to publish (default: %(default)s)"
    )
    parser.add_argument(
        "--bootstrap-servers",
        metavar="ADDR",
        help="a Kafka that runs, host:port; topics of the demo's own are made there and deleted "
        "(default: one is started, in a container or as a local process)",
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the view half-way through as a picture")
    return parser


def _number(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= REVIEWS_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {REVIEWS_MAX:,}")
    return int(text)
