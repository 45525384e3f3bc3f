"""The flags that several commands share, and how a command starts and ends."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, get_args

import click

from worker import logs
from worker.cli.program import INPUT_FAILED
from worker.commands.review_files import FileFormat
from worker.settings import views
from worker.settings.schema import Settings, allowed_values, flag_name, meaning
from worker.settings.sources import CONFIG, load_effective

Command = TypeVar("Command", bound=Callable[..., Any])

CONNECTION: Final = tuple(
    name for name in Settings.model_fields if name.startswith(("bootstrap_", "security_", "sasl_", "ssl_"))
)
ENGINE: Final = ("model", "engine", "device", "precision", "threads")


def setting_flags(*names: str) -> Callable[[Command], Command]:
    """Give a command the flags of these settings, and `--config`. Each arrives under its name, as text or None."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            default = views.default_text(name).replace("`", "")
            shown = f"{meaning(name)} [{allowed_values(name)}; default: {default}]"
            command = click.option(flag_name(name), name, metavar="VALUE", help=shown)(command)
        return click.option(f"--{CONFIG}", metavar="FILE", help="TOML file with settings.")(command)

    return decorate


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of these settings, and the settings in force as its first argument.

    It logs warnings as text, unless the user has set something else.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @setting_flags(*names)
        @wraps(command)
        def loaded(**options: Any) -> None:
            effective = load_effective({name: options.pop(name) for name in (*names, CONFIG)}, os.environ)
            settings, asked = effective.settings, effective.asked
            level = settings.log_level if asked("log_level") else "WARNING"
            logs.configure(level, settings.log_format if asked("log_format") else "text")
            command(settings, **options)

        return loaded

    return decorate


def file_input(command: Command) -> Command:
    """Give a command that reads a file of reviews its flags: `source`, `file_format`, `skip_invalid`."""
    path = click.Path(exists=True, dir_okay=False, allow_dash=True)
    formats = click.Choice(get_args(FileFormat))
    how = "JSON lines, CSV with a column `text`, or one review a line.  [default: by extension or first line]"
    options = (
        click.option("--input", "source", type=path, default="-", help="File of reviews; - is stdin."),
        click.option("--format", "file_format", type=formats, default="auto", show_default=False, help=how),
        click.option("--skip-invalid", is_flag=True, help="Exit with status 0 even if rows failed."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def json_output(what: str) -> Callable[[Command], Command]:
    """Give a command the flag `--json`, which arrives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=what)


def conclude(failed: int, *, skip_invalid: bool) -> None:
    """Report how many rows failed, and exit with status 1 unless `skip_invalid`."""
    if failed:
        click.echo(f"sentiment-worker: rows that failed: {failed}", err=True)
        if not skip_invalid:
            raise SystemExit(INPUT_FAILED)
