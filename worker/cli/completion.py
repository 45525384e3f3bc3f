"""`completion`. Its work is click's."""

from typing import Final

import click
from click.shell_completion import get_completion_class

SHELLS: Final = ("bash", "zsh", "fish")


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
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click has no completion for {shell}.")
    root = ctx.find_root().command
    click.echo(kind(root, {}, "sentiment-worker", "_SENTIMENT_WORKER_COMPLETE").source())
