"""Which client library carries the reviews: of two packages of the same form one is chosen."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, get_args

from worker.broker import Sink, Source, TransactionalSink
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
        from worker import kafka_broker  # each when it is chosen: commands that need no Kafka start without

        return Client(kafka_broker.KafkaSource, kafka_broker.sink_opener, kafka_broker.transactional_sink_opener)
    try:
        from worker import confluent_broker
    except ImportError as exc:
        raise SettingsRejected(
            f"client = {name} needs confluent-kafka ({exc}): pip install 'sentiment-worker[confluent]', or leave it out"
        ) from exc
    return Client(
        confluent_broker.ConfluentSource, confluent_broker.sink_opener, confluent_broker.transactional_sink_opener
    )
