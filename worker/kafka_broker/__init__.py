"""The broker of `worker.broker`, on kafka-python: the only package that imports `kafka`.

`worker.confluent_broker` is its sibling. What both need stands here: the connection and the words for errors.
"""

from worker.kafka_broker.admin import create_topics, delete_topics, require_topics
from worker.kafka_broker.connection import Connection
from worker.kafka_broker.sink import MAX_MESSAGE_BYTES, KafkaSink, sink_opener
from worker.kafka_broker.source import KafkaSource
from worker.kafka_broker.transactions import KafkaTransactionalSink, transactional_sink_opener

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Connection",
    "KafkaSink",
    "KafkaSource",
    "KafkaTransactionalSink",
    "create_topics",
    "delete_topics",
    "require_topics",
    "sink_opener",
    "transactional_sink_opener",
]
