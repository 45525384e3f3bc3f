"""`completion`. Its work is click's."""

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print a script that completes commands and flags in a shell.

    To load it in every new shell, put `eval "$(sentiment-worker completion bash)"` into ~/.bashrc, or the same with
    zsh into ~/.zshrc. For fish, save it as ~/.config/fish/completions/sentiment-worker.fish.

    \b
    Example:
      eval "$(sentiment-worker completion bash)"
    """
    root = ctx.find_root().command
    click.echo(SHELLS[shell](root, {}, "sentiment-worker", "_SENTIMENT_WORKER_COMPLETE").source())
