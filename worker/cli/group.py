"""What every command has in common: how errors are told, and with which exit status."""

from typing import Any, Final

import click

from worker.errors import Fatal

INPUT_FAILED: Final = 1
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count


class Commands(click.Group):
    """A group whose commands may raise what `worker.errors` defines."""

    def invoke(self, ctx: click.Context) -> Any:
        """Tell a Fatal in its own words; what nobody foresaw keeps its traceback."""
        try:
            return super().invoke(ctx)
        except Fatal as exc:
            click.echo(f"sentiment-worker: {exc}", err=True)
            ctx.exit(exc.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def exit_statuses() -> list[tuple[int, str]]:
    """Return every exit status of the program with its meaning, in order."""
    fatal = sorted((error.exit_code, (error.__doc__ or "").strip()) for error in Fatal.__subclasses__())
    unusual = (INPUT_FAILED, "A part of the input failed, or an error that nobody foresaw.")
    return [(0, "Done."), unusual, *fatal, (INTERRUPTED, "Interrupted.")]


def exit_statuses_for_help() -> str:
    """Return them as the epilog of a help page."""
    return "\b\nExit status:\n" + "\n".join(f"{status:>5}  {meaning}" for status, meaning in exit_statuses())
