"""The command line. Says what there is to say and to choose; the work is done elsewhere, imported when needed."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

import worker
from worker import logs, schemas, settings_views
from worker.configuration import CONFIG, load_effective, load_settings
from worker.errors import Fatal
from worker.review_files import FileFormat, Unreadable, read_reviews
from worker.settings import Settings, allowed_values, flag_name
from worker.terminal import progress

Command = TypeVar("Command", bound=Callable[..., Any])

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
CONNECTION: Final = ("bootstrap_servers", *(n for n in Settings.model_fields if n.startswith(("security", "sasl", "ssl"))))


class _Commands(click.Group):
    """A group whose commands may raise what `worker.errors` defines."""

    def invoke(self, ctx: click.Context) -> Any:
        """Tell a Fatal in its one line; anything else that is not expected keeps its traceback."""
        try:
            return super().invoke(ctx)
        except Fatal as exc:
            click.echo(f"sentiment-worker: {exc}", err=True)
            ctx.exit(exc.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _exit_codes() -> str:
    codes = sorted((error.exit_code, (error.__doc__ or "").strip()) for error in Fatal.__subclasses__())
    lines = [(0, "Done."), (1, "Some input failed, or an error nobody foresaw."), *codes, (INTERRUPTED, "Interrupted.")]
    return "\b\nExit status:\n" + "\n".join(f"{code:>5}  {meaning}" for code, meaning in lines)


@click.group(cls=_Commands, epilog=_exit_codes(), context_settings={"max_content_width": 110})
@click.version_option(worker.__version__, message="%(version)s")
def main() -> None:
    """Score reviews from Kafka with an LSTM, in micro-batches, losing none."""


def setting_flags(*names: str) -> Callable[[Command], Command]:
    """Give a command the flags of some settings and `--config`; they arrive as text, or None, under their names."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            meaning = f"{Settings.model_fields[name].description} [{allowed_values(name)}; {_default(name)}]"
            command = click.option(flag_name(name), name, metavar="VALUE", help=meaning)(command)
        return click.option("--config", CONFIG, metavar="FILE", help="TOML file with settings.")(command)

    return decorate


def _default(name: str) -> str:
    return settings_views.default_text(name).replace("`", "")
