"""Which client library carries the reviews: of two packages of the same form one is chosen."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, get_args

from worker.broker.contract import Sink, Source, TransactionalSink
from worker.errors import SettingsRejected

ClientName = Literal["kafka-python", "confluent"]
CLIENTS: Final[tuple[ClientName, ...]] = get_args(ClientName)


class Client(NamedTuple):
    """What opens the sources and sinks of one library; the arguments are the same in both."""

    source: Callable[..., Source]
    sink_opener: Callable[..., Callable[[], Sink]]
    transactional_sink_opener: Callable[..., Callable[[], TransactionalSink]]


def client_named(name: ClientName) -> Client:
    """Return the client. Raises SettingsRejected where it is not installed."""
    if name == "kafka-python":
        # Imported when chosen: commands that need no Kafka start without.
        from worker.broker.kafka_python import sink, source, transactions

        return Client(source.KafkaSource, sink.sink_opener, transactions.transactional_sink_opener)
    try:
        from worker.broker.confluent import sink as confluent_sink
        from worker.broker.confluent import source as confluent_source
        from worker.broker.confluent import transactions as confluent_transactions
    except ImportError as exc:
        raise SettingsRejected(
            f"client = {name} needs confluent-kafka ({exc}): pip install 'sentiment-worker[confluent]', or leave it out"
        ) from exc
    return Client(
        confluent_source.ConfluentSource,
        confluent_sink.sink_opener,
        confluent_transactions.transactional_sink_opener,
    )
