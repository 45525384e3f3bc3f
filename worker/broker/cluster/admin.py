"""What is asked of the cluster outside the stream of reviews: are the topics there, and make them."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka import errors as kafka

from worker.broker.connection import BOOTSTRAP_TIMEOUT_S, Connection, open_client
from worker.broker.kafka_python.errors import to_describe, translate, translated
from worker.errors import BrokerUnavailable, BrokerUnreachable, TopicMissing

_APPEAR_S: Final = 1.0  # a topic just created may not have reached every broker
_ASK_AGAIN_S: Final = 0.1


@contextmanager
def open_admin(connection: Connection, timeout_s: float) -> Iterator[Any]:
    """Open an admin client whose every step is bounded by `timeout_s`."""
    bounded = replace(connection, request_timeout_ms=max(1, round(timeout_s * 1000)))
    admin, _ = open_client(KafkaAdminClient, bounded, timeout_s=timeout_s)
    try:
        yield admin
    finally:
        admin.close()


def require_topics(
    connection: Connection, topics: Collection[str], *, timeout_s: float = BOOTSTRAP_TIMEOUT_S
) -> dict[str, int]:
    """Return how many partitions each topic has.

    Raises TopicMissing, AccessDenied, or BrokerUnreachable when there is no full answer within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    with open_admin(connection, timeout_s) as admin:
        believe_missing_at_s = min(deadline_s, time.monotonic() + _APPEAR_S)
        while True:
            try:
                return _partition_counts(admin, topics)
            except (TopicMissing, BrokerUnavailable) as exc:
                now_s = time.monotonic()
                if isinstance(exc, TopicMissing) and now_s >= believe_missing_at_s:
                    raise
                if now_s >= deadline_s:
                    raise BrokerUnreachable(str(exc)) from exc
            time.sleep(_ASK_AGAIN_S)


def create_topics(
    connection: Connection,
    partitions: Mapping[str, int],
    configs: Mapping[str, str] | None = None,
    *,
    timeout_s: float = BOOTSTRAP_TIMEOUT_S,
) -> None:
    """Create topics (name to partition count) and wait until they can be used; those that exist are left as they are.

    `configs` holds for all of them. Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused.
    """
    wanted = {topic: {"num_partitions": count, "configs": dict(configs or {})} for topic, count in partitions.items()}
    names = ", ".join(wanted)
    needs = {
        kafka.TopicAuthorizationFailedError: f"Create on topic {names}",
        kafka.ClusterAuthorizationFailedError: "Create on the cluster",
    }
    with open_admin(connection, timeout_s) as admin, translated(f"creating topics {names}", needs=needs):
        answer = admin.create_topics(wanted, timeout_ms=round(timeout_s * 1000), raise_errors=False)
        for topic in answer["topics"]:
            error = kafka.for_code(topic["error_code"])
            if error not in (kafka.NoError, kafka.TopicAlreadyExistsError):
                raise error(f"{topic['name']}: {topic['error_message']}")
        admin.wait_for_topics(list(wanted), timeout_ms=timeout_s * 1000)


def delete_topics(connection: Connection, topics: Collection[str], *, timeout_s: float = BOOTSTRAP_TIMEOUT_S) -> None:
    """Delete topics, and with them what groups have committed there; those that do not exist are left out.

    Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused.
    """
    with open_admin(connection, timeout_s) as admin, translated(f"deleting topics {', '.join(topics)}"):
        answer = admin.delete_topics(list(topics), timeout_ms=round(timeout_s * 1000), raise_errors=False)
        for topic in answer["topics"]:
            error = kafka.for_code(topic["error_code"])
            if error not in (kafka.NoError, kafka.UnknownTopicOrPartitionError):
                raise error(f"{topic['name']}: {topic['error_message']}")


def _partition_counts(admin: Any, topics: Collection[str]) -> dict[str, int]:
    """Ask once. Raises BrokerUnavailable where asking again may help."""
    names = ", ".join(sorted(topics))
    with translated(f"asking for topics {names}"):
        described = admin.describe_topics(list(topics))
    errors = {topic["name"]: kafka.for_code(topic["error_code"]) for topic in described}
    missing = sorted(name for name, error in errors.items() if error is kafka.UnknownTopicOrPartitionError)
    if missing:
        raise TopicMissing(
            f"{', '.join(missing)}: no such topic. Create it (`sentiment-worker topics` does); `run` never does"
        )
    for name, error in errors.items():
        if error is not kafka.NoError:
            raise translate(error(), f"asking for topic {name}", needs=to_describe(name))
    return {topic["name"]: len(topic["partitions"]) for topic in described}
