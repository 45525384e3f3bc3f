"""`score`: a file instead of Kafka."""

import time

import click

from worker.cli.options import ENGINE, begin, conclude, echo_json, file_input, json_output, setting_flags, teller
from worker.commands.review_files import FileFormat, open_input, read_reviews
from worker.commands.terminal import progress_bar


@click.command()
@file_input
@click.option("--output", default="-", show_default=True, help="File for the results, JSON lines; - is stdout.")
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=256, show_default=True, help="Reviews scored at a time."
)
@json_output("Print the summary as JSON: on stdout, or on stderr where stdout has the results.")
@setting_flags(*ENGINE)
def score(
    *,
    source: str,
    output: str,
    file_format: FileFormat,
    batch: int,
    skip_invalid: bool,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Score a file of reviews, without Kafka.

    Ids and order are kept; a review without an id is named `line-N`. Says on stderr how many were scored, and how fast.

    \b
    Example:
      sentiment-worker score --input reviews.csv --output scored.jsonl
    """
    from worker.commands.score import open_output, score_rows
    from worker.scoring.opening import open_predictor

    predictor = open_predictor(begin(flags))
    begun_s = time.monotonic()
    with (
        open_input(source) as stream,
        progress_bar("Scoring", stream) as bar,
        open_output(output) as sink,
    ):
        tally = score_rows(
            read_reviews(stream, file_format, source),
            predictor,
            sink,
            chunk_reviews=batch,
            on_failure=teller(bar, source),
            on_progress=bar.advance,
        )
    took_s = time.monotonic() - begun_s
    if as_json:
        summary = {"scored": tally.scored, "failed": tally.failed, "seconds": round(took_s, 6)}
        echo_json(summary, err=output == "-")
    else:
        click.echo(f"scored {tally.scored} reviews in {took_s:.1f} s, {tally.scored / took_s:.0f}/s", err=True)
    conclude(tally.failed, skip_invalid=skip_invalid)
