"""Which client library carries the reviews: two packages of the same form, of which one is chosen."""

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, get_args

from worker import kafka_broker
from worker.broker import Sink, Source, TransactionalSink
from worker.errors import SettingsRejected
from worker.kafka_broker import Connection

ClientName = Literal["kafka-python", "confluent"]
CLIENTS: Final = get_args(ClientName)


class Client(Protocol):
    """What `worker.kafka_broker` and `worker.confluent_broker` both have; their settings stand there."""

    def open_source(self, connection: Connection, *, topic: str, group_id: str, **settings: Any) -> Source:
        """Become a member of a group."""
        ...

    def sink_opener(self, connection: Connection, **settings: Any) -> Callable[[], Sink]:
        """Return what opens one sink after another."""
        ...

    def transactional_sink_opener(self, connection: Connection, **settings: Any) -> Callable[[], TransactionalSink]:
        """Return what opens one sink after another under the same transactional id."""
        ...


def client_named(name: ClientName) -> Client:
    """Return the client. Raises SettingsRejected where it is not installed."""
    if name == "kafka-python":
        return kafka_broker
    try:
        from worker import confluent_broker
    except ImportError as exc:
        raise SettingsRejected(
            f"client = {name} needs confluent-kafka ({exc}): pip install 'sentiment-worker[confluent]', or leave it out"
        ) from exc
    return confluent_broker
