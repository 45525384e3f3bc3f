"""Which client library reads and writes Kafka: one of two packages with the same classes."""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple, get_args

from worker.broker.contract import Sink, Source, TransactionalSink
from worker.broker.sending import opener
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
    # Imported when chosen: commands that need no Kafka start faster.
    if name == "kafka-python":
        from worker.broker.kafka_python.sink import KafkaSink
        from worker.broker.kafka_python.source import KafkaSource
        from worker.broker.kafka_python.transactions import KafkaTransactionalSink

        return Client(KafkaSource, partial(opener, KafkaSink), partial(opener, KafkaTransactionalSink))
    try:
        from worker.broker.confluent.sink import ConfluentSink
        from worker.broker.confluent.source import ConfluentSource
        from worker.broker.confluent.transactions import ConfluentTransactionalSink
    except ImportError as exc:
        raise SettingsRejected(
            f"client = {name} needs confluent-kafka ({exc}): pip install 'sentiment-worker[confluent]', or leave it out"
        ) from exc
    return Client(ConfluentSource, partial(opener, ConfluentSink), partial(opener, ConfluentTransactionalSink))
