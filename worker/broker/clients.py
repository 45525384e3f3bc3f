"""Which client library reads and writes Kafka: one of two packages with the same classes."""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, get_args

from worker.broker.connection import Connection
from worker.broker.contract import Sink, Source, TransactionalSink
from worker.broker.sending import opener
from worker.errors import SettingsRejected

ClientName = Literal["kafka-python", "confluent"]
CLIENTS: Final[tuple[ClientName, ...]] = get_args(ClientName)


class Client(NamedTuple):
    """The classes of one library; their arguments are the same in both."""

    source: Callable[..., Source]
    sink: Callable[..., Sink]
    transactional_sink: Callable[..., TransactionalSink]

    def sink_opener(self, connection: Connection, **settings: Any) -> Callable[[], Sink]:
        """Return what opens sinks. See `worker.broker.sending.opener`."""
        return opener(self.sink, connection, **settings)

    def transactional_sink_opener(self, connection: Connection, **settings: Any) -> Callable[[], TransactionalSink]:
        """Return what opens transactional sinks. See `worker.broker.sending.opener`."""
        return opener(self.transactional_sink, connection, **settings)


def client_named(name: ClientName) -> Client:
    """Return the client. Raises SettingsRejected where it is not installed."""
    # Imported when chosen: commands that need no Kafka start faster.
    if name == "kafka-python":
        from worker.broker.kafka_python.sink import KafkaSink
        from worker.broker.kafka_python.source import KafkaSource
        from worker.broker.kafka_python.transactions import KafkaTransactionalSink

        return Client(KafkaSource, KafkaSink, KafkaTransactionalSink)
    try:
        from worker.broker.confluent.sink import ConfluentSink
        from worker.broker.confluent.source import ConfluentSource
        from worker.broker.confluent.transactions import ConfluentTransactionalSink
    except ImportError as exc:
        raise SettingsRejected(
            f"client = {name} needs confluent-kafka ({exc}): pip install 'sentiment-worker[confluent]', or leave it out"
        ) from exc
    return Client(ConfluentSource, ConfluentSink, ConfluentTransactionalSink)
