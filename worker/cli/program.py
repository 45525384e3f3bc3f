"""The program as a whole: its own commands and those of other packages, how errors are reported, exit statuses."""

from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any, Final

import click

from worker.errors import Fatal

ADDED: Final = "sentiment_worker.commands"  # the entry points' group: name = "module:command"
HELP: Final[dict[str, Any]] = {"max_content_width": 110, "show_default": True}
INPUT_FAILED: Final = 1
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count


class Program(click.Group):
    """A group whose commands may raise what `worker.errors` defines, and to which packages add commands.

    Added commands are loaded only for the overview and for names that are not the program's own, so that a broken one
    stops no worker.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Report a Fatal as one line. An unexpected error keeps its traceback."""
        try:
            return super().invoke(ctx)
        except Fatal as exc:
            click.echo(f"sentiment-worker: {exc}", err=True)
            ctx.exit(exc.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in order."""
        return sorted({*super().list_commands(ctx), *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name; the program's own commands take precedence."""
        return super().get_command(ctx, cmd_name) or _added().get(cmd_name)


def _added() -> dict[str, click.Command]:
    """The commands of installed packages. An image is built without the demo's modules, so it has no demo."""
    found = {}
    for point in entry_points(group=ADDED):
        with suppress(ModuleNotFoundError):
            found[point.name] = point.load()
    return found


def exit_statuses() -> list[tuple[int, str]]:
    """Return every exit status of the program with its meaning, in order."""
    fatal = sorted((error.exit_code, (error.__doc__ or "").strip()) for error in Fatal.__subclasses__())
    unusual = (INPUT_FAILED, "Part of the input failed, or an unexpected error.")
    return [(0, "Done."), unusual, *fatal, (INTERRUPTED, "Interrupted.")]


def exit_statuses_for_help() -> str:
    """Return the exit statuses as the epilog of a help page."""
    return "\b\nExit status:\n" + "\n".join(f"{status:>5}  {meaning}" for status, meaning in exit_statuses())
