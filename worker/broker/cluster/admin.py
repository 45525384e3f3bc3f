"""The topics of a cluster: check that they exist, create and delete them."""

import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from kafka.errors import for_code

from worker.broker.connection import BOOTSTRAP_TIMEOUT_S, Connection
from worker.broker.deadline import Deadline
from worker.broker.errors import Code, Needs
from worker.broker.kafka_python.client import open_admin, partition_counts
from worker.broker.kafka_python.errors import translated
from worker.errors import BrokerUnavailable, BrokerUnreachable, TopicMissing

_APPEAR_S: Final = 1.0  # a topic just created may not have reached every broker
_ASK_AGAIN_S: Final = 0.1


def require_topics(
    connection: Connection, topics: Collection[str], *, timeout_s: float = BOOTSTRAP_TIMEOUT_S
) -> dict[str, int]:
    """Return how many partitions each topic has.

    Raises TopicMissing, AccessDenied, or BrokerUnreachable when there is no full answer within `timeout_s`.
    """
    deadline = Deadline(timeout_s)
    with open_admin(connection, timeout_s) as admin:
        patience = Deadline(min(deadline.left_s, _APPEAR_S))
        while True:
            try:
                return partition_counts(admin, topics)
            except (TopicMissing, BrokerUnavailable) as exc:
                if isinstance(exc, TopicMissing) and patience.over:
                    raise
                if deadline.over:
                    raise BrokerUnreachable(str(exc)) from exc
            time.sleep(_ASK_AGAIN_S)


def create_topics(
    connection: Connection,
    partitions: Mapping[str, int],
    configs: Mapping[str, str] | None = None,
    *,
    timeout_s: float = BOOTSTRAP_TIMEOUT_S,
) -> None:
    """Create topics (name to partition count) and wait until they can be used; existing ones are left as they are.

    `configs` holds for all of them. Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused.
    """
    wanted = {topic: {"num_partitions": count, "configs": dict(configs or {})} for topic, count in partitions.items()}
    names = ", ".join(wanted)
    needs: Needs = {
        Code.TOPIC_AUTHORIZATION_FAILED: f"Create on topic {names}",
        Code.CLUSTER_AUTHORIZATION_FAILED: "Create on the cluster",
    }
    with open_admin(connection, timeout_s) as admin, translated(f"creating topics {names}", needs=needs):
        answer = admin.create_topics(wanted, timeout_ms=round(timeout_s * 1000), raise_errors=False)
        _raise_errors(answer, expected=Code.TOPIC_ALREADY_EXISTS)
        admin.wait_for_topics(list(wanted), timeout_ms=timeout_s * 1000)


def delete_topics(connection: Connection, topics: Collection[str], *, timeout_s: float = BOOTSTRAP_TIMEOUT_S) -> None:
    """Delete topics, and with them what groups have committed there; missing ones are ignored.

    Raises BrokerUnreachable, BrokerUnavailable, AccessDenied, BrokerRefused.
    """
    with open_admin(connection, timeout_s) as admin, translated(f"deleting topics {', '.join(topics)}"):
        answer = admin.delete_topics(list(topics), timeout_ms=round(timeout_s * 1000), raise_errors=False)
        _raise_errors(answer, expected=Code.UNKNOWN_TOPIC_OR_PARTITION)


def _raise_errors(answer: Mapping[str, Any], *, expected: Code) -> None:
    for topic in answer["topics"]:
        if topic["error_code"] not in (Code.NONE, expected):
            raise for_code(topic["error_code"])(f"{topic['name']}: {topic['error_message']}")
