"""Creating the worker's topics: the `topics` command."""

import click

from worker.broker.cluster.admin import create_topics, require_topics
from worker.broker.sending import MAX_MESSAGE_BYTES
from worker.commands.terminal import echo_json
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings


def create(settings: Settings, *, partitions: int, as_json: bool) -> None:
    """Create the topics that are missing, and print how many partitions each one has.

    Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused, SettingsRejected.
    """
    connection = connect_with(settings)
    names = (settings.input_topic, settings.output_topic, settings.dlq_topic)
    create_topics(connection, dict.fromkeys(names[:2], partitions))
    # A dead letter is larger than its record: it has more headers, and the producer may have compressed the record.
    create_topics(connection, {settings.dlq_topic: partitions}, {"max.message.bytes": str(MAX_MESSAGE_BYTES)})
    counts = require_topics(connection, names)
    if as_json:
        echo_json(counts)
        return
    for name, count in counts.items():
        click.echo(f"{name}: {count} partitions")
