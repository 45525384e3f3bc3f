"""kafka-python's admin client, and the one question that a sink has, too: how many partitions topics have."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import for_code

from worker.broker.connection import Connection
from worker.broker.errors import Code, to_describe
from worker.broker.kafka_python.client import open_client
from worker.broker.kafka_python.errors import translate, translated
from worker.errors import TopicMissing


@contextmanager
def open_admin(connection: Connection, timeout_s: float) -> Iterator[Any]:
    """Open an admin client whose every step is limited to `timeout_s`. Raises as `open_client`."""
    limited = replace(connection, request_timeout_ms=max(1, round(timeout_s * 1000)))
    admin, _ = open_client(KafkaAdminClient, limited, timeout_s=timeout_s)
    try:
        yield admin
    finally:
        admin.close()


def partition_counts(admin: Any, topics: Collection[str]) -> dict[str, int]:
    """Ask once how many partitions each topic has.

    Raises TopicMissing, AccessDenied, or BrokerUnavailable where asking again may help.
    """
    names = ", ".join(sorted(topics))
    with translated(f"asking for topics {names}"):
        described = admin.describe_topics(list(topics))
    codes = {topic["name"]: topic["error_code"] for topic in described}
    missing = sorted(name for name, code in codes.items() if code == Code.UNKNOWN_TOPIC_OR_PARTITION)
    if missing:
        raise TopicMissing(
            f"{', '.join(missing)}: no such topic. Create it (`sentiment-worker topics` does); `run` never does"
        )
    for name, code in codes.items():
        if code:
            raise translate(for_code(code)(), f"asking for topic {name}", needs=to_describe(name))
    return {topic["name"]: len(topic["partitions"]) for topic in described}
