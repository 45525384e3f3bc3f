"""`run`, and what it reads and writes: `config`, `schema`."""

import os
from pathlib import Path

import click

from worker import logs
from worker.cli.options import setting_flags
from worker.commands import schema as schemas
from worker.settings import views as settings_views
from worker.settings.schema import Settings
from worker.settings.sources import load_effective, load_settings


@click.command()
@setting_flags(*Settings.model_fields)
@click.option("--until-empty", is_flag=True, help="Stop when the input topic is read to its end.")
def run(*, until_empty: bool, **flags: str | None) -> None:
    """Score reviews from Kafka, until told to stop.

    SIGTERM or Ctrl-C stop it once what is in flight is done; a second one stops it at once.

    \b
    Example:
      sentiment-worker run --bootstrap-servers localhost:9092
    """
    settings = load_settings(flags, os.environ)
    logs.configure(settings.log_level, settings.log_format)
    from worker.app import run as serve

    serve(settings, until_empty=until_empty)


@click.command()
@click.option("--json", "view", flag_value="json", help="As JSON, with the source of each value.")
@click.option("--toml", "view", flag_value="toml", help="As a file that --config takes.")
@click.option("--markdown", "view", flag_value="markdown", help="Print docs/configuration.md instead.")
@setting_flags(*Settings.model_fields)
def config(*, view: str | None, **flags: str | None) -> None:
    """Print the settings in force.

    Each with its source; secrets are masked.

    \b
    Example:
      SENTIMENT_LINGER_MS=20 sentiment-worker config --toml
    """
    if view == "markdown":
        click.echo(settings_views.settings_page(), nl=False)
        return
    show = {"json": settings_views.as_json, "toml": settings_views.as_toml, None: settings_views.as_text}[view]
    click.echo(show(load_effective(flags, os.environ)), nl=False)


@click.command()
@click.argument("name", required=False, type=click.Choice(list(schemas.DOCUMENTS)))
@click.option("--all", "directory", type=click.Path(file_okay=False, path_type=Path), help="Write all to this folder.")
def schema(*, name: str | None, directory: Path | None) -> None:
    """Print the schema of a message.

    JSON Schema (2020-12) for `review` and `scored`, AsyncAPI 3.0 of all topics for `asyncapi`.

    \b
    Example:
      sentiment-worker schema scored
    """
    if (name is None) == (directory is None):
        raise click.UsageError("Give either a name or --all DIRECTORY.")
    if directory is not None:
        schemas.write_all(directory)
    elif name is not None:
        click.echo(schemas.to_text(schemas.DOCUMENTS[name]()), nl=False)
