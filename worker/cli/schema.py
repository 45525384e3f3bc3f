"""`schema`. Its work: `worker.commands.schema`."""

from pathlib import Path
from typing import Final

import click

NAMES: Final = ("review", "scored", "status", "asyncapi")  # of the documents, which are slow to import


@click.command()
@click.argument("name", required=False, type=click.Choice(NAMES))
@click.option("--all", "directory", type=click.Path(file_okay=False, path_type=Path), help="Write all to this folder.")
def schema(*, name: str | None, directory: Path | None) -> None:
    """Print the schema of a message.

    JSON Schema (2020-12) for `review`, `scored` and `status` (`/status.json`), AsyncAPI 3.0 of all topics for
    `asyncapi`.

    \b
    Example:
      sentiment-worker schema scored
    """
    from worker.commands.schema import text_of, write_all

    if (name is None) == (directory is None):
        raise click.UsageError("Give either a name or --all DIRECTORY.")
    if directory is not None:
        write_all(directory)
    elif name is not None:
        click.echo(text_of(name), nl=False)
