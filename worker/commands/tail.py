"""Printing one line for each scored review or dead letter: the `tail` command."""

from contextlib import suppress
from itertools import islice
from typing import Final

import click
from pydantic import ValidationError

from worker.broker.cluster.reader import read_topic
from worker.broker.contract import Record
from worker.commands.terminal import printable
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings
from worker.wire.headers import Header, replays_of
from worker.wire.scored import ScoredReview

_COLORS: Final = {"positive": "green", "negative": "red"}


def print_records(
    settings: Settings, topic: str | None, *, from_beginning: bool, limit: int | None, as_json: bool
) -> None:
    """Print the records of a topic (None: the output topic) as they arrive, until `limit` or Ctrl-C.

    Raises BrokerUnreachable, TopicMissing, AccessDenied, SettingsRejected.
    """
    topic = topic or settings.output_topic
    connection = connect_with(settings)
    with suppress(KeyboardInterrupt), read_topic(connection, topic, from_beginning=from_beginning) as records:
        click.echo(f"reading {topic} from its {'beginning' if from_beginning else 'end'}", err=True)
        for record in islice(records, limit):
            click.echo((record.value or b"null") if as_json else line_for_people(record))


def line_for_people(record: Record) -> str:
    """Return time (UTC), sentiment, P(positive), confidence and id of a scored review, and whether it is flagged.

    For a dead letter: time, reason, where it was read, and the error. Never its text.
    """
    if Header.REASON in dict(record.headers):
        return _dead_letter(record)
    if record.value is None:
        return f"deleted   {printable((record.key or b'').decode('utf-8', 'replace'))}"
    try:
        scored = ScoredReview.model_validate_json(record.value)
    except ValidationError:
        topic, partition = record.partition
        return click.style(f"unreadable  {topic}-{partition}-{record.offset} is not a scored review", dim=True)
    sentiment = click.style(f"{scored.sentiment:<8}", fg=_COLORS[scored.sentiment])
    flag = click.style("  out of domain", fg="yellow") if scored.out_of_domain else ""
    return (
        f"{scored.scored_at:%H:%M:%S}  {sentiment}  {scored.score:.3f}  {scored.confidence:4.0%}  "
        f"{printable(scored.review_id)}{flag}"
    )


def _dead_letter(record: Record) -> str:
    def header(name: Header) -> str:
        return printable((dict(record.headers).get(name) or b"").decode("utf-8", "replace"))

    reason = click.style(f"{header(Header.REASON):<17}", fg="yellow")
    replays = replays_of(record)
    replayed = f"  (replayed {replays} times before)" if replays else ""
    return f"{header(Header.FAILED_AT)[11:19]}  {reason}  {header(Header.SOURCE)}  {header(Header.ERROR)}{replayed}"
