"""`run`. Its work: `worker.app`."""

import os

import click

from worker import logs
from worker.cli.options import setting_flags
from worker.settings.schema import Settings
from worker.settings.sources import load_settings


@click.command()
@setting_flags(*Settings.model_fields)
@click.option("--until-empty", is_flag=True, help="Stop when the input topic is read to its end.")
def run(*, until_empty: bool, **flags: str | None) -> None:
    """Score reviews from Kafka until stopped.

    SIGTERM or Ctrl-C stops it once everything in flight is done. A second one stops it at once.

    \b
    Example:
      sentiment-worker run --bootstrap-servers localhost:9092
    """
    settings = load_settings(flags, os.environ)
    logs.configure(settings.log_level, settings.log_format)
    from worker import app

    app.run(settings, until_empty=until_empty)
