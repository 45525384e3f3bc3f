"""`lag`."""

import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from worker.cli.options import CONNECTION, begin, echo_json, json_output, setting_flags

if TYPE_CHECKING:
    from worker.broker.cluster.survey import Survey
    from worker.commands.lag import Lag
    from worker.settings.schema import Settings


@click.command()
@click.option(
    "--watch", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Look again and again, until Ctrl-C; tells when."
)
@json_output("Print one JSON object for each look.")
@setting_flags("group_id", "input_topic", *CONNECTION)
def lag(*, watch: float | None, as_json: bool, **flags: str | None) -> None:
    """Print how far the group is behind, partition by partition.

    Asks the broker, joins nothing. From the second look on it tells when the group will have caught up.

    \b
    Example:
      sentiment-worker lag --watch 5
    """
    from worker.broker.cluster.admin import require_topics
    from worker.broker.cluster.survey import open_survey
    from worker.settings.connecting import connect_with

    settings = begin(flags)
    connection = connect_with(settings)
    partitions = require_topics(connection, [settings.input_topic])[settings.input_topic]
    with suppress(KeyboardInterrupt), open_survey(connection) as survey:
        before: Lag | None = None
        while True:
            now = _look(settings, survey, partitions)
            _show(settings, before, now, as_json=as_json)
            if watch is None:
                return
            before = now
            time.sleep(watch)


def _look(settings: "Settings", survey: "Survey", partitions: int) -> "Lag":
    from worker.commands.lag import lag_of

    topic, group = settings.input_topic, settings.group_id
    return lag_of(
        topic, survey.group(group), survey.committed(group, topic), survey.bounds(topic, partitions), time.monotonic()
    )


def _show(settings: "Settings", before: "Lag | None", now: "Lag", *, as_json: bool) -> None:
    from worker.commands.lag import seconds_left, table

    left_s = None if before is None else seconds_left(before, now)
    if as_json:
        shown = {"group": settings.group_id, "topic": settings.input_topic, "members": now.members, "lag": now.total}
        rows = [asdict(each) for each in now.partitions]
        echo_json(shown | {"seconds_left": left_s, "partitions": rows})
        return
    click.echo(table(now.partitions))
    when = "" if before is None else f", {_when(left_s)}"
    click.echo(f"group {settings.group_id}: {now.total} behind on {settings.input_topic}, {now.members} members{when}")


def _when(left_s: float | None) -> str:
    if left_s is None:
        return "not catching up"
    return "caught up" if left_s == 0 else f"caught up in about {left_s:.0f} s"
