"""The command `demo`, which pyproject.toml adds to `sentiment-worker` as a plugin."""

from pathlib import Path

import click

REVIEWS_MAX = 1_000_000


@click.command()
@click.option(
    "--reviews",
    type=click.IntRange(1, REVIEWS_MAX),
    default=2_000,
    show_default=True,
    help="Number of reviews to publish; after the last one the first follows again.",
)
@click.option(
    "--bootstrap-servers",
    metavar="ADDR",
    help="A running Kafka, host:port; the demo creates its own topics there and deletes them.  [default: start one, "
    "in a container or as a local process]",
)
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture of the view half-way through."
)
@click.pass_context
def demo(ctx: click.Context, reviews: int, bootstrap_servers: str | None, svg: Path | None) -> None:
    """Watch real reviews being scored through a real Kafka.

    The demo starts a worker; SENTIMENT_MODEL and other variables configure it. Exit status: 0 if nothing was lost or
    duplicated and the worker drained; 1 if not, or if the demo could not run; 128 + n after signal n.

    \b
    Example:
      sentiment-worker demo --reviews 10000
    """
    from deploy.demo.play import play

    ctx.exit(play(reviews=reviews, bootstrap_servers=bootstrap_servers, svg=svg))
