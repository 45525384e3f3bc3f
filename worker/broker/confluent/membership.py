"""Who we are in a consumer group, and who has our name there."""

import sys
from concurrent.futures import TimeoutError as NoAnswer
from typing import Final, NamedTuple, Self

import confluent_kafka as ck
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_MAGIC: Final = len(b"CGMDv2:")


class Membership(NamedTuple):
    """See `worker.broker.contract.Source.membership`; the library's own form of it, and whose it is."""

    group_id: str
    metadata: bytes

    @classmethod
    def of(cls, consumer: ck.Consumer, group_id: str) -> Self:
        """What it is now: the library may have joined anew since anybody was told."""
        return cls(group_id, consumer.consumer_group_metadata())

    @property
    def member_id(self) -> bytes:
        """The name that the group gave us; empty when it has thrown us out."""
        return self.metadata[_MAGIC + 4 :].split(b"\0")[1]

    @property
    def holds(self) -> bool:
        """Whether it is a member's: of others the broker would take offsets, too, if the group is empty."""
        generation = int.from_bytes(self.metadata[_MAGIC : _MAGIC + 4], sys.byteorder, signed=True)
        return generation >= 0 and self.member_id != b""


def holder_of(instance_id: str, admin: AdminClient, group_id: str, *, timeout_s: float) -> bytes | None:
    """The member id under which the group knows a static member; None where it knows none. Raises LookupError."""
    asked = admin.describe_consumer_groups([group_id], request_timeout=timeout_s)[group_id]
    try:
        members = asked.result(timeout_s).members
    except (KafkaException, NoAnswer) as exc:
        raise LookupError(f"who is {instance_id} in group {group_id}: no answer") from exc
    return next((one.member_id.encode() for one in members if one.group_instance_id == instance_id), None)
