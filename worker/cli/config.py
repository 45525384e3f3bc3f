"""`config`. Its work: `worker.settings.views`."""

import os

import click

from worker.cli.options import setting_flags
from worker.settings import views
from worker.settings.schema import Settings
from worker.settings.sources import load_effective


@click.command()
@click.option("--json", "view", flag_value="json", help="Print JSON, with the source of each value.")
@click.option("--toml", "view", flag_value="toml", help="Print a file that --config takes.")
@click.option("--markdown", "view", flag_value="markdown", help="Print docs/configuration.md instead.")
@setting_flags(*Settings.model_fields)
def config(*, view: str | None, **flags: str | None) -> None:
    """Print the settings in force.

    Shows the source of each value. Masks secrets.

    \b
    Example:
      SENTIMENT_LINGER_MS=20 sentiment-worker config --toml
    """
    if view == "markdown":
        click.echo(views.settings_page(), nl=False)
        return
    show = {"json": views.as_json, "toml": views.as_toml, None: views.as_text}[view]
    click.echo(show(load_effective(flags, os.environ)), nl=False)
