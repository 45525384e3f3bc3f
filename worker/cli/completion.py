"""`completion`: what a shell needs to complete commands and flags."""

from typing import Final

import click
from click.shell_completion import get_completion_class

SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the script that lets a shell complete commands and flags.

    For every new shell: `eval "$(sentiment-worker completion bash)"` in ~/.bashrc, the same with zsh in ~/.zshrc, or
    `sentiment-worker completion fish > ~/.config/fish/completions/sentiment-worker.fish`.

    \b
    Example:
      eval "$(sentiment-worker completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click has no completion for {shell}.")
    root = ctx.find_root().command
    click.echo(kind(root, {}, "sentiment-worker", "_SENTIMENT_WORKER_COMPLETE").source())
