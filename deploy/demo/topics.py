"""The topics of one run, and what goes by their names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from uuid import uuid4

from deploy.demo.errors import DemoFailed
from worker.broker.cluster.admin import create_topics, delete_topics
from worker.broker.connection import Connection
from worker.errors import WorkerError

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the three topics."""

    raw: str = "reviews.raw"
    scored: str = "reviews.scored"
    dlq: str = "reviews.dlq"

    @classmethod
    def with_suffix(cls, suffix: str) -> "Topics":
        """The usual names, followed by `suffix`."""
        return cls(*(f"{name}.{suffix}" for name in astuple(cls())))


@contextmanager
def created_topics(connection: Connection, *, on_loan: bool) -> Iterator[Topics]:
    """Topics that exist while inside.

    On a broker that is `on_loan` they have names that nobody else uses, and are deleted at the end; our own broker is
    thrown away whole. What groups committed goes with the topics, and the broker drops the empty groups by itself: by
    default it looks for them every ten minutes.

    Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused; DemoFailed when the topics had to stay,
    which becomes a note where another error ends the run.
    """
    topics = Topics.with_suffix(f"demo-{uuid4().hex[:8]}") if on_loan else Topics()
    try:
        create_topics(connection, dict.fromkeys(astuple(topics), PARTITIONS))
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


def _delete(connection: Connection, topics: Topics) -> None:
    names = astuple(topics)
    try:
        delete_topics(connection, names)
    except WorkerError as error:
        raise DemoFailed(f"the topics {', '.join(names)} could not be deleted: {error}") from error
