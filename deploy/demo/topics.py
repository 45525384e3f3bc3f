"""The topics of one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import uuid4

from deploy.demo.errors import DemoFailed
from worker.broker.cluster.admin import create_topics, delete_topics
from worker.broker.connection import Connection
from worker.errors import WorkerError

PARTITIONS = 4


class DemoTopics(NamedTuple):
    """Names of the three topics."""

    raw: str = "reviews.raw"
    scored: str = "reviews.scored"
    dlq: str = "reviews.dlq"


@contextmanager
def created_topics(connection: Connection, *, on_loan: bool) -> Iterator[DemoTopics]:
    """Create the topics, and delete them at the end if the broker is `on_loan`; our own broker is deleted whole.

    On a broker that is `on_loan` their names are unique. Offsets of consumer groups are deleted with the topics, and
    the broker deletes the empty groups itself, by default within ten minutes.

    Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused; DemoFailed if the topics could not be
    deleted. If another error ends the run, that becomes a note of it.
    """
    topics = DemoTopics()
    if on_loan:
        suffix = f"demo-{uuid4().hex[:8]}"
        topics = DemoTopics(*(f"{name}.{suffix}" for name in topics))
    try:
        create_topics(connection, dict.fromkeys(topics, PARTITIONS))
        yield topics
    except BaseException as error:
        if on_loan:
            try:
                _delete(connection, topics)
            except DemoFailed as left:
                error.add_note(str(left))
        raise
    if on_loan:
        _delete(connection, topics)


def _delete(connection: Connection, topics: DemoTopics) -> None:
    try:
        delete_topics(connection, topics)
    except WorkerError as error:
        raise DemoFailed(f"the topics {', '.join(topics)} could not be deleted: {error}; delete them") from error
