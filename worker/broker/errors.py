"""What the errors of Kafka mean to the worker: one table, by the codes of Kafka's protocol, for both clients.

Each client finds the code of its library's error and adds the library's text; see `errors.py` in its package.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from worker.errors import (
    AccessDenied,
    AssignmentLost,
    BrokerRefused,
    BrokerUnavailable,
    BrokerUnreachable,
    DeliveryFailed,
    Fenced,
    SettingsRejected,
    TopicMissing,
    WorkerError,
)


class Code(IntEnum):
    """The codes that the adapters name. Those below -1000 are ours, for what only a client can find out."""

    BROKER_NOT_TRUSTED = -1001  # we do not accept the broker's certificate
    CERTIFICATE_REFUSED = -1002  # the broker does not accept our certificate, or asks for one
    INVALID_SETTING = -1003
    OTHER = -1004  # any error of the library without a code of its own
    NONE = 0
    UNKNOWN_TOPIC_OR_PARTITION = 3
    NETWORK_EXCEPTION = 13
    INVALID_TOPIC = 17
    ILLEGAL_GENERATION = 22
    UNKNOWN_MEMBER_ID = 25
    REBALANCE_IN_PROGRESS = 27
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    TOPIC_ALREADY_EXISTS = 36
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47
    INVALID_PRODUCER_ID_MAPPING = 49
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59
    FENCED_INSTANCE_ID = 82
    PRODUCER_FENCED = 90


Needs = Mapping[int, str]  # by the code of a refusal: the permission that is missing, and on what
NOTHING: Final[Needs] = {}

_DENIED: Final = frozenset({29, 30, 31, 53, 65})  # ..._AUTHORIZATION_FAILED
_NO_LOGIN: Final = frozenset(
    {
        Code.SASL_AUTHENTICATION_FAILED,
        Code.UNSUPPORTED_SASL_MECHANISM,
        Code.ILLEGAL_SASL_STATE,
        Code.BROKER_NOT_TRUSTED,
        Code.CERTIFICATE_REFUSED,
    }
)
_CLASSES: Final[Mapping[int, type[WorkerError]]] = {
    **dict.fromkeys(_DENIED | _NO_LOGIN, AccessDenied),
    Code.ILLEGAL_GENERATION: AssignmentLost,
    Code.UNKNOWN_MEMBER_ID: AssignmentLost,
    Code.REBALANCE_IN_PROGRESS: AssignmentLost,
    Code.UNKNOWN_TOPIC_OR_PARTITION: TopicMissing,  # the protocol calls it retriable: a new topic may still appear
    Code.INVALID_TOPIC: TopicMissing,
    Code.INVALID_SETTING: SettingsRejected,
    Code.OUT_OF_ORDER_SEQUENCE_NUMBER: DeliveryFailed,
    Code.UNKNOWN_PRODUCER_ID: DeliveryFailed,
    Code.INVALID_PRODUCER_EPOCH: DeliveryFailed,
    Code.INVALID_PRODUCER_ID_MAPPING: DeliveryFailed,  # the broker forgot a transactional id that was idle for days
    Code.PRODUCER_FENCED: Fenced,
}
# The codes that the protocol calls retriable, and two that it does not: -1, "an unexpected server error", and 8, a
# broker that is not available.
RETRIABLE: Final = frozenset(
    {-1, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88, 89}
    | {100, 103, 106, 122, 123}
)
_LAST_KNOWN: Final = 127  # nothing is known of later codes: they may pass

_ADVICE: Final[Mapping[type[WorkerError], str]] = {
    AccessDenied: "Check the credentials and what the broker's ACLs allow this user",
    AssignmentLost: "The consumer group rebalanced first",
    BrokerRefused: "Trying again would not help",
    BrokerUnavailable: "Check the broker and the network; nothing is known to be lost",
    BrokerUnreachable: "Check the address, that the broker runs, and that its security protocol is the one set",
    Fenced: "Another producer has this transactional id, or the broker gave up on a transaction",
    DeliveryFailed: "The message counts as not stored and has to be sent again",
    SettingsRejected: "Correct the setting",
    TopicMissing: "Create the topic; the worker never does",
}
_ADVICE_BY_CODE: Final[Mapping[int, str]] = {
    **dict.fromkeys(_DENIED, "Grant it; docs/security.md lists what a worker needs"),
    Code.FENCED_INSTANCE_ID: "Another member took this group_instance_id: give each worker its own",
    Code.SASL_AUTHENTICATION_FAILED: "Check sasl_mechanism and the user's password or token",
    Code.UNSUPPORTED_SASL_MECHANISM: "Set a sasl_mechanism that the broker has",
    Code.ILLEGAL_SASL_STATE: "Set the security_protocol that this listener has",
    Code.BROKER_NOT_TRUSTED: "Check ssl_cafile, and that the broker's certificate names the host it is reached by",
    Code.CERTIFICATE_REFUSED: "Check ssl_certfile and ssl_keyfile, and which authorities the broker trusts",
}


def error_class(code: int) -> type[WorkerError]:
    """Our class for a code; BrokerRefused unless the code is known to pass: stop and be seen."""
    if code in RETRIABLE or code > _LAST_KNOWN:
        return BrokerUnavailable
    return _CLASSES.get(code, BrokerRefused)


def broker_error(
    code: int,
    what: str,
    text: str,
    *,
    needs: Needs = NOTHING,
    unavailable: type[WorkerError] = BrokerUnavailable,
) -> WorkerError:
    """Return our error. `what` was being done, to what; `text` is the library's reason.

    `needs` replaces the text where it names the missing permission. `unavailable` replaces BrokerUnavailable.
    """
    ours = error_class(code)
    if ours is BrokerUnavailable:
        ours = unavailable
    reason = f"the broker does not allow this user {needs[code]}" if code in needs else text
    return ours(f"{what} failed: {reason}. {_ADVICE_BY_CODE.get(code, _ADVICE[ours])}")


def to_describe(topic: str) -> Needs:
    """The permission to see a topic at all."""
    return {Code.TOPIC_AUTHORIZATION_FAILED: f"Describe on topic {topic} (Read and Write include it)"}


def to_read(topic: str, group_id: str) -> Needs:
    """The permissions to read a topic as a group, and to commit."""
    return {
        Code.TOPIC_AUTHORIZATION_FAILED: f"Read on topic {topic}",
        Code.GROUP_AUTHORIZATION_FAILED: f"Read on group {group_id}",
    }


def to_write(topic: str) -> Needs:
    """The permissions to write to a topic."""
    return {
        Code.TOPIC_AUTHORIZATION_FAILED: f"Write on topic {topic}",
        Code.CLUSTER_AUTHORIZATION_FAILED: "IdempotentWrite on the cluster",  # of brokers before 3.0
    }


def to_transact(transactional_id: str) -> Needs:
    """The permission to use a transactional id."""
    return {Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: f"Write on transactional id {transactional_id}"}
