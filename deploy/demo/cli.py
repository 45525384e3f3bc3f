"""The command `demo`: pyproject.toml adds it to `sentiment-worker`, whose command line knows nothing of the demo."""

from pathlib import Path

import click

REVIEWS_MAX = 1_000_000


@click.command()
@click.option(
    "--reviews",
    type=click.IntRange(1, REVIEWS_MAX),
    default=2_000,
    show_default=True,
    help="How many to publish; from the first again when there are no more.",
)
@click.option(
    "--bootstrap-servers",
    metavar="ADDR",
    help="A Kafka that runs, host:port; topics of the demo's own are made there and deleted.  [default: one is "
    "started, in a container or as a local process]",
)
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write the view half-way through as a picture."
)
@click.pass_context
def demo(ctx: click.Context, reviews: int, bootstrap_servers: str | None, svg: Path | None) -> None:
    """Watch real reviews being scored through a real Kafka.

    A worker is started for it, to which SENTIMENT_MODEL and the like apply. It ends with 0 when nothing was lost or
    duplicated and the worker drained, with 1 when not or when the demo could not run, with 128 + n after signal n.

    \b
    Example:
      sentiment-worker demo --reviews 10000
    """
    from deploy.demo.play import Options, play

    ctx.exit(play(Options(reviews=reviews, bootstrap_servers=bootstrap_servers, svg=svg)))
