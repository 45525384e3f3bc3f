"""The broker of `worker.broker`, on confluent-kafka (librdkafka): the only package that imports `confluent_kafka`.

The sibling of `worker.kafka_broker`, which it takes the connection's settings and the words for errors from. Topics,
`doctor`, lag and replay have no second form: kafka-python does that work whichever client carries the reviews.
"""

from worker.confluent_broker.sink import ConfluentSink, sink_opener
from worker.confluent_broker.source import ConfluentSource
from worker.confluent_broker.transactions import ConfluentTransactionalSink, transactional_sink_opener

__all__ = [
    "ConfluentSink",
    "ConfluentSource",
    "ConfluentTransactionalSink",
    "sink_opener",
    "transactional_sink_opener",
]
