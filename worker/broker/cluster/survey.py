"""What a cluster says about itself, its topics and a group. Asking changes nothing.

kafka-python's admin client answers in dictionaries and numbers; here they become the types that checks and the table of
lags use.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar

from kafka import TopicPartition as KafkaPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import GroupAuthorizationFailedError, for_code
from kafka.protocol.consumer import HeartbeatRequest
from kafka.protocol.producer import EndTxnRequest

from worker.broker.connection import BOOTSTRAP_TIMEOUT_S, Connection
from worker.broker.contract import TopicPartition
from worker.broker.deadline import Deadline
from worker.broker.errors import NOTHING, Code, Needs, to_transact
from worker.broker.kafka_python.client import open_admin
from worker.broker.kafka_python.errors import translated
from worker.broker.kafka_python.repairs import ask_coordinator, broker_version
from worker.errors import AccessDenied, BrokerRefused, BrokerUnavailable, BrokerUnreachable

T = TypeVar("T")
Visibility = Literal["there", "missing", "denied"]

_ASK_AGAIN_S: Final = 0.2
_NO_MEMBER: Final = "sentiment-worker-doctor"  # a member id that no group has
_NO_PRODUCER: Final = 2**63 - 1  # a producer id that no producer has
_GROUP, _TRANSACTION = 0, 1  # kinds of coordinators in the protocol


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers, and what they speak."""

    version: tuple[int, ...]  # of the protocol
    brokers: tuple[str, ...]  # "host:port", as advertised


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, as far as we may see it."""

    name: str
    visibility: Visibility = "there"
    partitions: int = 0
    replicas: int = 0  # of the partition that has fewest
    in_sync: int = 0  # likewise
    leaderless: int = 0  # partitions that cannot be read or written now
    operations: frozenset[str] | None = None  # what we may do: "READ", "WRITE", ...; None where the broker does not say
    configs: Mapping[str, str] | None = None  # in force; None where we may not read them


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group."""

    client_id: str
    host: str
    instance_id: str | None
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group; one that does not exist has the state Dead."""

    name: str
    state: str
    protocol: str  # the assignor of its members
    members: tuple[Member, ...]


class Survey:
    """Asks one cluster. Every method raises BrokerUnreachable, AccessDenied or BrokerRefused."""

    def __init__(self, admin: Any, timeout_s: float) -> None:
        self._admin = admin
        self._timeout_s = timeout_s

    def cluster(self) -> Cluster:
        """Return the version and the brokers."""
        found = self._ask("asking for the cluster", self._admin.describe_cluster)
        brokers = tuple(f"{broker['host']}:{broker['port']}" for broker in found["brokers"])
        return Cluster(broker_version(self._admin), brokers)

    def clock(self) -> float | None:
        """Return the time of the cluster's controller, in epoch seconds; None where the cluster does not say."""
        try:
            quorum = self._ask("asking for the controllers", self._admin.describe_metadata_quorum)
        except (AccessDenied, BrokerRefused):  # without Describe on the cluster, or too old a broker
            return None
        [partition] = quorum["topics"][0]["partitions"]
        # The leader counts itself as caught up now.
        stamps = (
            voter["last_caught_up_timestamp"]
            for voter in partition["current_voters"]
            if voter["replica_id"] == partition["leader_id"]
        )
        stamp_ms: int = next(stamps, -1)
        return stamp_ms / 1000 if stamp_ms > 0 else None

    def topics(self, names: Collection[str]) -> dict[str, Topic]:
        """Return each topic by its name, also those that are missing or denied."""
        described = self._ask("asking for topics", lambda: self._admin.describe_topics(list(names)))
        topics = {topic["name"]: _topic(topic) for topic in described}
        seen = [name for name in names if topics[name].visibility == "there"]
        configs = self._configs(seen) if seen else {}
        return {name: replace(topics[name], configs=configs.get(name)) for name in names}

    def group(self, name: str) -> Group:
        """Return a group and its members."""

        def ask() -> Any:
            found = self._admin.describe_groups([name])[name]
            if "GroupAuthorizationFailed" in (found["error"] or ""):
                raise GroupAuthorizationFailedError(name)
            return found

        found = self._ask(f"asking for group {name}", ask, _describe_group(name))
        return Group(name, found["group_state"], found["protocol_data"], tuple(map(_member, found["members"])))

    def check_may_join(self, group: str) -> None:
        """Check the permission to read as `group`, by the heartbeat of a member that does not exist.

        Raises AccessDenied where it is missing.
        """
        request = HeartbeatRequest(group_id=group, generation_id=0, member_id=_NO_MEMBER, group_instance_id=None)
        needs: Needs = {Code.GROUP_AUTHORIZATION_FAILED: f"Read on group {group}"}
        permitted = (Code.UNKNOWN_MEMBER_ID, Code.ILLEGAL_GENERATION, Code.REBALANCE_IN_PROGRESS)
        self._ask_coordinator(f"asking for the rights on group {group}", group, _GROUP, request, permitted, needs)

    def check_may_transact(self, transactional_id: str) -> None:
        """Check the permission to write under an id, by ending a transaction of a producer that does not exist.

        So no producer that uses the id is fenced. Raises AccessDenied where the permission is missing.
        """
        request = EndTxnRequest(
            transactional_id=transactional_id,
            producer_id=_NO_PRODUCER,
            producer_epoch=0,
            committed=False,
            max_version=4,
        )
        what = f"asking for the rights on transactional id {transactional_id}"
        permitted = (Code.INVALID_PRODUCER_ID_MAPPING, Code.INVALID_PRODUCER_EPOCH)
        self._ask_coordinator(what, transactional_id, _TRANSACTION, request, permitted, to_transact(transactional_id))

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the next offset of each partition of `topic` that the group has committed."""
        offsets = self._ask(
            f"asking for the offsets of group {group}",
            lambda: self._admin.list_group_offsets({group: None})[group],
            _describe_group(group),
        )
        return {place.partition: stored.offset for place, stored in offsets.items() if place.topic == topic}

    def bounds(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        """Return for each partition the offset of its oldest record, and of its next one."""
        places = [KafkaPartition(topic, number) for number in range(partitions)]

        def ask(spec: OffsetSpec) -> Mapping[KafkaPartition, Any]:
            answer: Mapping[KafkaPartition, Any] = self._ask(
                f"asking where {topic} ends", lambda: self._admin.list_partition_offsets(dict.fromkeys(places, spec))
            )
            return answer

        first, last = ask(OffsetSpec.EARLIEST), ask(OffsetSpec.LATEST)
        return {place.partition: (first[place].offset, last[place].offset) for place in places}

    def _configs(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        """Return those that we may read; the broker leaves out the others."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, None) for name in names]
        found = self._ask(
            "asking for the settings of topics",
            lambda: self._admin.describe_configs(resources, config_filter="all"),
        )
        return {
            name: {key: entry["value"] for key, entry in entries.items()}
            for name, entries in found.get("topic", {}).items()
            if entries
        }

    def _ask_coordinator(
        self, what: str, key: str, kind: int, request: Any, permitted: Collection[Code], needs: Needs
    ) -> None:
        """Send a request that changes nothing. Only a user with the permission gets one of the `permitted` errors."""

        def ask() -> None:
            code = ask_coordinator(self._admin, key, kind, request)
            if code not in (Code.NONE, *permitted):
                raise for_code(code)()

        self._ask(what, ask, needs)

    def _ask(self, what: str, question: Callable[[], T], needs: Needs = NOTHING) -> T:
        """Ask again for a while where that may help: a new cluster takes time to find a coordinator."""
        deadline = Deadline(self._timeout_s)
        while True:
            try:
                with translated(what, needs=needs):
                    return question()
            except BrokerUnavailable as exc:
                if deadline.over:
                    raise BrokerUnreachable(str(exc)) from exc
            time.sleep(_ASK_AGAIN_S)


@contextmanager
def open_survey(connection: Connection, *, timeout_s: float = BOOTSTRAP_TIMEOUT_S) -> Iterator[Survey]:
    """Connect. Raises BrokerUnreachable, AccessDenied, SettingsRejected."""
    with open_admin(connection, timeout_s) as admin:
        yield Survey(admin, timeout_s)


def _describe_group(name: str) -> Needs:
    return {Code.GROUP_AUTHORIZATION_FAILED: f"Describe on group {name} (Read includes it)"}


def _topic(described: Mapping[str, Any]) -> Topic:
    code = described["error_code"]
    if code == Code.UNKNOWN_TOPIC_OR_PARTITION:
        return Topic(described["name"], "missing")
    if code == Code.TOPIC_AUTHORIZATION_FAILED:
        return Topic(described["name"], "denied")
    if code:
        raise for_code(code)(described["name"])
    partitions, operations = described["partitions"], described["authorized_operations"]
    return Topic(
        described["name"],
        partitions=len(partitions),
        replicas=min(len(partition["replica_nodes"]) for partition in partitions),
        in_sync=min(len(partition["isr_nodes"]) for partition in partitions),
        leaderless=sum(partition["leader_id"] < 0 for partition in partitions),
        operations=None if operations is None else frozenset(operations),
    )


def _member(described: Mapping[str, Any]) -> Member:
    assignment = described["member_assignment"] or {}
    return Member(
        client_id=described["client_id"],
        host=described["client_host"].lstrip("/"),
        instance_id=described.get("group_instance_id"),
        partitions=frozenset(
            TopicPartition(topic["topic"], partition)
            for topic in assignment.get("assigned_partitions", ())
            for partition in topic["partitions"]
        ),
    )
