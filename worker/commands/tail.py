"""One line for each scored review or dead letter: the `tail` command."""

from typing import Final

import click
from pydantic import ValidationError

from worker.broker.contract import Record
from worker.commands.terminal import printable
from worker.wire.headers import Header, replays_of
from worker.wire.scored import ScoredReview

_COLORS: Final = {"positive": "green", "negative": "red"}


def line_for_people(record: Record) -> str:
    """Return time (UTC), sentiment, P(positive), confidence and id of a scored review, and whether it is flagged.

    Of a dead letter: time, reason, where it was read, and the error. Never its text.
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
    again = f"  (sent back {replays} times before)" if replays else ""
    return f"{header(Header.FAILED_AT)[11:19]}  {reason}  {header(Header.SOURCE)}  {header(Header.ERROR)}{again}"
