"""Our member id in a consumer group, and the member id that the group has for a static member."""

import sys
from concurrent.futures import TimeoutError as NoAnswer
from typing import Final, NamedTuple, Self

import confluent_kafka as ck
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_MAGIC: Final = len(b"CGMDv2:")


class Membership(NamedTuple):
    """See `worker.broker.contract.Source.membership`: the library's serialized form of it."""

    group_id: str
    metadata: bytes

    @classmethod
    def of(cls, consumer: ck.Consumer, group_id: str) -> Self:
        """Return what it is now: the library may have joined again since the last callback."""
        return cls(group_id, consumer.consumer_group_metadata())

    @property
    def member_id(self) -> bytes:
        """The id that the group gave us; empty when it has thrown us out."""
        return self.metadata[_MAGIC + 4 :].split(b"\0")[1]

    @property
    def holds(self) -> bool:
        """Whether it belongs to a member. Where the group is empty, the broker takes offsets from others too."""
        generation = int.from_bytes(self.metadata[_MAGIC : _MAGIC + 4], sys.byteorder, signed=True)
        return generation >= 0 and self.member_id != b""


def member_id_of(instance_id: str, admin: AdminClient, group_id: str, *, timeout_s: float) -> bytes | None:
    """Return the member id of a static member; None where the group has no such member. Raises LookupError."""
    answer = admin.describe_consumer_groups([group_id], request_timeout=timeout_s)[group_id]
    try:
        members = answer.result(timeout_s).members
    except (KafkaException, NoAnswer) as exc:
        raise LookupError(f"no answer about {instance_id} in group {group_id}") from exc
    return next((one.member_id.encode() for one in members if one.group_instance_id == instance_id), None)
