"""The program: its own commands, and those that other packages add, as `deploy` adds `demo`."""

from contextlib import suppress
from importlib.metadata import entry_points
from typing import Final

import click

from worker.cli.group import Commands

ADDED: Final = "sentiment_worker.commands"  # the entry points' group: name = "module:command"


class Program(Commands):
    """Looks for added commands when one is asked for that is not its own: what is wrong with them stops no worker."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in order."""
        return sorted({*super().list_commands(ctx), *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name; its own go first."""
        return super().get_command(ctx, cmd_name) or _added().get(cmd_name)


def _added() -> dict[str, click.Command]:
    """The commands of installed packages; an image is built without the demo's modules, and then has no demo."""
    found = {}
    for point in entry_points(group=ADDED):
        with suppress(ModuleNotFoundError):
            found[point.name] = point.load()
    return found
