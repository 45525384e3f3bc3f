"""The options that several commands share, and what they do with them first."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, get_args

import click

from worker import logs
from worker.cli.group import INPUT_FAILED
from worker.commands.review_files import FileFormat, Unreadable
from worker.commands.terminal import Bar
from worker.settings import views as settings_views
from worker.settings.schema import Settings, allowed_values, flag_name
from worker.settings.sources import CONFIG, load_effective

Command = TypeVar("Command", bound=Callable[..., Any])

CONNECTION: Final = tuple(
    name for name in Settings.model_fields if name.startswith(("bootstrap_", "security_", "sasl_", "ssl_"))
)
ENGINE: Final = ("model", "engine", "device", "precision", "threads")


def setting_flags(*names: str) -> Callable[[Command], Command]:
    """Give a command the flags of these settings, and `--config`; they arrive under their names, as text or None."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            default = settings_views.default_text(name).replace("`", "")
            meaning = f"{Settings.model_fields[name].description} [{allowed_values(name)}; default: {default}]"
            command = click.option(flag_name(name), name, metavar="VALUE", help=meaning)(command)
        return click.option(f"--{CONFIG}", metavar="FILE", help="TOML file with settings.")(command)

    return decorate


def file_input(command: Command) -> Command:
    """Give a command that reads a file of reviews its flags."""
    path = click.Path(exists=True, dir_okay=False, allow_dash=True)
    formats = click.Choice(get_args(FileFormat))
    how = "JSON lines, CSV with a column `text`, or a review a line.  [default: by extension or first line]"
    for option in (  # the last one stands first in the help
        click.option("--skip-invalid", is_flag=True, help="Exit with 0 in spite of rows that failed."),
        click.option("--format", "file_format", type=formats, default="auto", help=how),
        click.option(
            "--input", "source", type=path, default="-", show_default=True, help="File of reviews; - is stdin."
        ),
    ):
        command = option(command)
    return command


def json_output(what: str) -> Callable[[Command], Command]:
    """Give a command the flag `--json`, which arrives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=what)


def begin(flags: Mapping[str, str | None]) -> Settings:
    """Load the settings and start the log: warnings as text, unless somebody asked for something else."""
    effective = load_effective(flags, os.environ)
    settings, asked = effective.settings, effective.asked
    logs.configure(
        settings.log_level if asked("log_level") else "WARNING",
        settings.log_format if asked("log_format") else "text",
    )
    return settings


def echo_json(document: object, *, err: bool = False) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(document, ensure_ascii=False), err=err)


def teller(bar: Bar, source: str) -> Callable[[Unreadable], None]:
    """Return what tells of a row of `source` that failed."""
    name = "stdin" if source == "-" else source
    return lambda row: bar.tell(f"{name}:{row.line}: {row.why}")


def conclude(failed: int, *, skip_invalid: bool) -> None:
    """Tell how many rows failed and end with the status that says so."""
    if failed:
        click.echo(f"sentiment-worker: rows that failed: {failed}", err=True)
        if not skip_invalid:
            raise SystemExit(INPUT_FAILED)
