"""The commands that make topics, fill them and read them: `topics`, `produce`, `tail`, `replay`."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from worker.cli.options import CONNECTION, begin, conclude, echo_json, file_input, json_output, setting_flags, teller
from worker.commands.review_files import FileFormat, open_input, read_reviews
from worker.commands.terminal import countdown_bar, progress_bar
from worker.wire.messages import Reason

if TYPE_CHECKING:
    from worker.commands.replay import Tally

CLOSE_TIMEOUT_S: Final = 5.0
TIMES: Final = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")


@click.command()
@click.option("--partitions", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Of each new topic.")
@json_output("Print names and partition counts as JSON.")
@setting_flags("input_topic", "output_topic", "dlq_topic", *CONNECTION)
def topics(*, partitions: int, as_json: bool, **flags: str | None) -> None:
    """Create the three topics, where they are missing.

    With the broker's own replication and retention; the dead-letter topic takes messages of up to 16 MiB. For
    anything else use Kafka's tools.

    \b
    Example:
      sentiment-worker topics --partitions 12
    """
    from worker.broker.cluster.admin import create_topics, require_topics
    from worker.broker.sending import MAX_MESSAGE_BYTES
    from worker.settings.connecting import connect_with

    settings = begin(flags)
    connection = connect_with(settings)
    names = (settings.input_topic, settings.output_topic, settings.dlq_topic)
    create_topics(connection, dict.fromkeys(names[:2], partitions))
    # A dead letter is larger than its record: by its headers, and by what the producer saved by compressing.
    create_topics(connection, {settings.dlq_topic: partitions}, {"max.message.bytes": str(MAX_MESSAGE_BYTES)})
    counts = require_topics(connection, names)
    if as_json:
        echo_json(counts)
        return
    for name, count in counts.items():
        click.echo(f"{name}: {count} partitions")


@click.command()
@file_input
@click.option("--topic", help="Topic to publish to.  [default: the input topic]")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Most reviews per second.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after so many reviews.")
@click.option("--key-field", default="review_id", show_default=True, help="Field that becomes the record's key.")
@json_output("Print the summary as JSON.")
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
    as_json: bool,
    **flags: str | None,
) -> None:
    """Publish a file of reviews to Kafka.

    Ends when the broker has told the fate of each. JSON lines are published as they stand. Each review is stored at
    least once: beside one that the broker refuses, others may be stored twice.

    \b
    Example:
      sentiment-worker produce --input reviews.jsonl --rate 200
    """
    from worker.broker.cluster.admin import require_topics
    from worker.broker.kafka_python.sink import KafkaSink
    from worker.commands.produce import Publisher, publish
    from worker.settings.connecting import connect_with

    settings = begin(flags)
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
            on_failure=teller(bar, source),
        )
        rows = islice(read_reviews(stream, file_format, source), limit)
        try:
            publish(rows, publisher, rate_per_s=rate, on_progress=bar.advance)
        finally:
            publisher.close()
            took_s = time.monotonic() - begun_s
            stored, rate = publisher.stored, publisher.stored / took_s
            if as_json:
                summary = {"published": stored, "failed": publisher.failed, "topic": topic}
                echo_json(summary | {"seconds": round(took_s, 3)})
            else:
                bar.tell(f"published {stored} reviews to {topic} in {took_s:.1f} s, {rate:.0f}/s")
    conclude(publisher.failed, skip_invalid=skip_invalid)


@click.command()
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
@json_output("Print the counts as JSON, by reason and by why a letter was left.")
@setting_flags("group_id", "input_topic", "dlq_topic", *CONNECTION)
def replay(
    *,
    reasons: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    max_replays: int,
    dry_run: bool,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Send dead letters back to the input topic.

    Each dead letter is looked at once, whether it is sent or not: the group GROUP_ID.replay keeps the place.
    It goes back under its key with its value and headers as they were. One that fails again is left alone next time.

    \b
    Example:
      sentiment-worker replay --reason unscorable --since 2026-11-24T08:00:00 --dry-run
    """
    from worker.broker.cluster.admin import require_topics
    from worker.broker.kafka_python.sink import KafkaSink
    from worker.broker.kafka_python.source import KafkaSource
    from worker.commands.replay import Replay, Wanted
    from worker.settings.connecting import connect_with

    settings = begin(flags)
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
        _tell(run.tally, dry_run=dry_run, as_json=as_json)


def _tell(tally: "Tally", *, dry_run: bool, as_json: bool) -> None:
    sent, left = tally.sent.total(), tally.kept.total()
    if as_json:
        counts = {"sent": dict(tally.sent), "left": dict(tally.kept), "dry_run": dry_run}
        echo_json(counts | {"sent_total": sent, "left_total": left})
        return
    for what, by_why in (("would send" if dry_run else "sent", tally.sent), ("left", tally.kept)):
        for why, count in sorted(by_why.items()):
            click.echo(f"{what} {count}: {why}", err=True)
    click.echo(f"{sent} of {sent + left} dead letters", err=True)


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


@click.command()
@click.option("--topic", help="Topic to read.  [default: the output topic]")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest result instead of the next.")
@click.option("--limit", type=click.IntRange(min=0), help="Stop after so many results.")
@click.option("--json", "as_json", is_flag=True, help="Print the values as they are, one JSON object a line.")
@setting_flags(*CONNECTION)
def tail(*, topic: str | None, from_beginning: bool, limit: int | None, as_json: bool, **flags: str | None) -> None:
    """Print scored reviews as they come.

    Shows time (UTC), sentiment, P(positive), confidence and id, until Ctrl-C; of a dead letter when, why and where it
    was read. Reads outside of any consumer group: commits nothing, takes no partition from anybody.

    \b
    Example:
      sentiment-worker tail --from-beginning --limit 10
      sentiment-worker tail --topic reviews.dlq
    """
    from worker.broker.cluster.reader import read_topic
    from worker.commands.tail import line_for_people
    from worker.settings.connecting import connect_with

    settings = begin(flags)
    topic = topic or settings.output_topic
    with (
        suppress(KeyboardInterrupt),
        read_topic(connect_with(settings), topic, from_beginning=from_beginning) as records,
    ):
        click.echo(f"reading {topic} from its {'beginning' if from_beginning else 'end'}", err=True)
        for record in islice(records, limit):
            click.echo((record.value or b"null") if as_json else line_for_people(record))
