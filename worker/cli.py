"""The command line: what there is to choose and to say. The work is done elsewhere, imported when needed."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click

import worker
from worker import logs, schemas, settings_views
from worker.bench.command import bench
from worker.configuration import CONFIG, load_effective, load_settings
from worker.errors import Fatal
from worker.messages import Reason
from worker.review_files import FileFormat, Unreadable, open_input, read_reviews
from worker.settings import Settings, allowed_values, flag_name
from worker.terminal import Bar, countdown_bar, progress_bar

Command = TypeVar("Command", bound=Callable[..., Any])

INPUT_FAILED: Final = 1
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
CLOSE_TIMEOUT_S: Final = 5.0
TIMES: Final = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")
CONNECTION: Final = tuple(
    name for name in Settings.model_fields if name.startswith(("bootstrap_", "security_", "sasl_", "ssl_"))
)
ENGINE: Final = ("model", "engine", "device", "precision", "threads")


class _Commands(click.Group):
    """A group whose commands may raise what `worker.errors` defines."""

    def invoke(self, ctx: click.Context) -> Any:
        """Tell a Fatal in its own words; what nobody foresaw keeps its traceback."""
        try:
            return super().invoke(ctx)
        except Fatal as exc:
            click.echo(f"sentiment-worker: {exc}", err=True)
            ctx.exit(exc.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _exit_statuses() -> str:
    fatal = sorted((error.exit_code, (error.__doc__ or "").strip()) for error in Fatal.__subclasses__())
    unusual = (INPUT_FAILED, "A part of the input failed, or an error that nobody foresaw.")
    statuses = [(0, "Done."), unusual, *fatal, (INTERRUPTED, "Interrupted.")]
    return "\b\nExit status:\n" + "\n".join(f"{status:>5}  {meaning}" for status, meaning in statuses)


@click.group(cls=_Commands, epilog=_exit_statuses(), context_settings={"max_content_width": 110})
@click.version_option(worker.__version__, message="%(version)s")
def main() -> None:
    """Score reviews from Kafka with an LSTM, in micro-batches, losing none."""


def setting_flags(*names: str) -> Callable[[Command], Command]:
    """Give a command the flags of these settings, and `--config`; they arrive under their names, as text or None."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            default = settings_views.default_text(name).replace("`", "")
            meaning = f"{Settings.model_fields[name].description} [{allowed_values(name)}; default: {default}]"
            command = click.option(flag_name(name), name, metavar="VALUE", help=meaning)(command)
        return click.option(f"--{CONFIG}", metavar="FILE", help="TOML file with settings.")(command)

    return decorate


def file_input(command: Command) -> Command:
    """Give a command that reads a file of reviews its flags."""
    path = click.Path(exists=True, dir_okay=False, allow_dash=True)
    formats = click.Choice(get_args(FileFormat))
    how = "JSON lines, CSV with a column `text`, or a review a line.  [default: by extension or first line]"
    for option in (  # the last one stands first in the help
        click.option("--skip-invalid", is_flag=True, help="Exit with 0 in spite of rows that failed."),
        click.option("--format", "file_format", type=formats, default="auto", help=how),
        click.option(
            "--input", "source", type=path, default="-", show_default=True, help="File of reviews; - is stdin."
        ),
    ):
        command = option(command)
    return command


@main.command()
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


@main.command()
@click.option("--partitions", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Of each new topic.")
@setting_flags("input_topic", "output_topic", "dlq_topic", *CONNECTION)
def topics(*, partitions: int, **flags: str | None) -> None:
    """Create the three topics, where they are missing.

    With the broker's own replication and retention; the dead-letter topic takes messages of up to 16 MiB. For
    anything else use Kafka's tools.

    \b
    Example:
      sentiment-worker topics --partitions 12
    """
    from worker.app import connect_with
    from worker.kafka_broker import MAX_MESSAGE_BYTES, create_topics, require_topics

    logs.configure("WARNING", "text")
    settings = load_settings(flags, os.environ)
    connection = connect_with(settings)
    names = (settings.input_topic, settings.output_topic, settings.dlq_topic)
    create_topics(connection, dict.fromkeys(names[:2], partitions))
    # A dead letter is larger than its record: by its headers, and by what the producer saved by compressing.
    create_topics(connection, {settings.dlq_topic: partitions}, {"max.message.bytes": str(MAX_MESSAGE_BYTES)})
    for name, count in require_topics(connection, names).items():
        click.echo(f"{name}: {count} partitions")


@main.command()
@file_input
@click.option("--output", default="-", show_default=True, help="File for the results, JSON lines; - is stdout.")
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=256, show_default=True, help="Reviews scored at a time."
)
@setting_flags(*ENGINE)
def score(
    *, source: str, output: str, file_format: FileFormat, batch: int, skip_invalid: bool, **flags: str | None
) -> None:
    """Score a file of reviews, without Kafka.

    Ids and order are kept; a review without an id is named `line-N`.

    \b
    Example:
      sentiment-worker score --input reviews.csv --output scored.jsonl
    """
    from worker.app import open_predictor
    from worker.offline import open_output, score_rows

    logs.configure("WARNING", "text")
    predictor = open_predictor(load_settings(flags, os.environ))
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
            on_failure=_teller(bar, source),
            on_progress=bar.advance,
        )
    _conclude(tally.failed, skip_invalid=skip_invalid)


@main.command()
@file_input
@click.option("--topic", help="Topic to publish to.  [default: the input topic]")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Most reviews per second.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after so many reviews.")
@click.option("--key-field", default="review_id", show_default=True, help="Field that becomes the record's key.")
@setting_flags(*CONNECTION)
def produce(
    *,
    source: str,
    file_format: FileFormat,
    skip_invalid: bool,
    topic: str | None,
    rate: float | None,
    limit: int | None,
    key_field: str,
    **flags: str | None,
) -> None:
    """Publish a file of reviews to Kafka.

    Ends when the broker has told the fate of each. JSON lines are published as they stand. Each review is stored at
    least once: beside one that the broker refuses, others may be stored twice.

    \b
    Example:
      sentiment-worker produce --input reviews.jsonl --rate 200
    """
    from worker.app import connect_with
    from worker.kafka_broker import KafkaSink, require_topics
    from worker.publishing import Publisher, publish

    logs.configure("WARNING", "text")
    settings = load_settings(flags, os.environ)
    topic = topic or settings.input_topic
    connection = connect_with(settings)
    require_topics(connection, [topic])
    begun_s = time.monotonic()
    with open_input(source) as stream, progress_bar("Publishing", stream) as bar:
        publisher = Publisher(
            KafkaSink(connection, delivery_timeout_ms=settings.delivery_timeout_ms),
            topic,
            key_field=key_field,
            timeout_s=settings.delivery_timeout_ms / 1000,
            on_failure=_teller(bar, source),
        )
        rows = islice(read_reviews(stream, file_format, source), limit)
        try:
            publish(rows, publisher, rate_per_s=rate, on_progress=bar.advance)
        finally:
            publisher.close()
            took_s = time.monotonic() - begun_s
            bar.tell(
                f"published {publisher.stored} reviews to {topic} in {took_s:.1f} s, {publisher.stored / took_s:.0f}/s"
            )
    _conclude(publisher.failed, skip_invalid=skip_invalid)


@main.command()
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([reason.value for reason in Reason]),
    help="Only of this reason; may be repeated.",
)
@click.option("--since", type=click.DateTime(TIMES), help="Only what failed at this time (UTC) or later.")
@click.option("--until", type=click.DateTime(TIMES), help="Only what failed before this time (UTC).")
@click.option(
    "--max-replays", type=click.IntRange(1), default=1, show_default=True, help="Leave what was sent back so often."
)
@click.option("--dry-run", is_flag=True, help="Send nothing and remember nothing: only count.")
@setting_flags("group_id", "input_topic", "dlq_topic", *CONNECTION)
def replay(
    *,
    reasons: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    max_replays: int,
    dry_run: bool,
    **flags: str | None,
) -> None:
    """Send dead letters back to the input topic.

    Each dead letter is looked at once, whether it is sent or not: the group GROUP_ID.replay keeps the place.
    It goes back under its key with its value and headers as they were. One that fails again is left alone next time.

    \b
    Example:
      sentiment-worker replay --reason unscorable --since 2026-11-24T08:00:00 --dry-run
    """
    from worker.app import connect_with
    from worker.kafka_broker import KafkaSink, KafkaSource, require_topics
    from worker.replaying import Replay, Wanted

    logs.configure("WARNING", "text")
    settings = load_settings(flags, os.environ)
    connection = connect_with(settings)
    require_topics(connection, [settings.dlq_topic, settings.input_topic])
    wanted = Wanted([Reason(reason) for reason in reasons], _utc(since), _utc(until), max_replays)
    source = KafkaSource(connection, topic=settings.dlq_topic, group_id=f"{settings.group_id}.replay")
    sink = None if dry_run else KafkaSink(connection, delivery_timeout_ms=settings.delivery_timeout_ms)
    run = Replay(source, sink, settings.input_topic, wanted, timeout_s=settings.delivery_timeout_ms / 1000)
    try:
        with countdown_bar("Replaying") as advance:
            run.run(advance)
    finally:
        source.close(timeout_s=CLOSE_TIMEOUT_S)
        if sink is not None:
            sink.close(timeout_s=CLOSE_TIMEOUT_S)
        for what, counts in (("would send" if dry_run else "sent", run.tally.sent), ("left", run.tally.kept)):
            for why, count in sorted(counts.items()):
                click.echo(f"{what} {count}: {why}", err=True)
        click.echo(
            f"{run.tally.sent.total()} of {run.tally.sent.total() + run.tally.kept.total()} dead letters", err=True
        )


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


@main.command()
@click.option("--topic", help="Topic to read.  [default: the output topic]")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest result instead of the next.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after so many results.")
@click.option("--json", "as_json", is_flag=True, help="Print the values as they are, one JSON object a line.")
@setting_flags(*CONNECTION)
def tail(*, topic: str | None, from_beginning: bool, limit: int | None, as_json: bool, **flags: str | None) -> None:
    """Print scored reviews as they come.

    Shows time (UTC), sentiment, P(positive), confidence and id, until Ctrl-C. Reads outside of any consumer group:
    commits nothing, takes no partition from anybody.

    \b
    Example:
      sentiment-worker tail --from-beginning --limit 10
    """
    from worker.app import connect_with
    from worker.kafka_broker.reader import read_topic
    from worker.tailing import line_for_people

    logs.configure("WARNING", "text")
    settings = load_settings(flags, os.environ)
    topic = topic or settings.output_topic
    with (
        suppress(KeyboardInterrupt),
        read_topic(connect_with(settings), topic, from_beginning=from_beginning) as records,
    ):
        click.echo(f"reading {topic} from its {'beginning' if from_beginning else 'end'}", err=True)
        for record in islice(records, limit):
            click.echo((record.value or b"null") if as_json else line_for_people(record))


@main.command()
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


@main.command()
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


main.command()(setting_flags(*ENGINE)(bench))


def _teller(bar: Bar, source: str) -> Callable[[Unreadable], None]:
    name = "stdin" if source == "-" else source
    return lambda row: bar.tell(f"{name}:{row.line}: {row.why}")


def _conclude(failed: int, *, skip_invalid: bool) -> None:
    """Tell how many rows failed and end with the status that says so."""
    if failed:
        click.echo(f"sentiment-worker: rows that failed: {failed}", err=True)
        if not skip_invalid:
            raise SystemExit(INPUT_FAILED)
