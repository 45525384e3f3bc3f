"""What kafka-python raises, in our words: one table, used wherever the adapter calls the library."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from kafka import errors as kafka

from worker.broker.kafka_python.network import BrokerNotTrusted, CertificateRefused
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

Needs = Mapping[type[Exception], str]  # by the library's refusal: the permission that is missing, and on what

CLASS_OF: Final[dict[type[Exception], type[WorkerError]]] = {
    kafka.AuthorizationError: AccessDenied,
    kafka.SaslAuthenticationFailedError: AccessDenied,
    kafka.UnsupportedSaslMechanismError: AccessDenied,
    kafka.IllegalSaslStateError: AccessDenied,
    kafka.CommitFailedError: AssignmentLost,
    kafka.IllegalGenerationError: AssignmentLost,
    kafka.UnknownMemberIdError: AssignmentLost,
    kafka.RebalanceInProgressError: AssignmentLost,
    kafka.UnknownTopicOrPartitionError: TopicMissing,  # retriable for the library: a new topic may still appear
    kafka.InvalidTopicError: TopicMissing,
    kafka.KafkaConfigurationError: SettingsRejected,
    kafka.OutOfOrderSequenceNumberError: DeliveryFailed,
    kafka.UnknownProducerIdError: DeliveryFailed,
    kafka.InvalidProducerEpochError: DeliveryFailed,
    kafka.ProducerFencedError: Fenced,
    kafka.InvalidProducerIdMappingError: DeliveryFailed,  # the broker forgot a transactional id that was long idle
    kafka.TransactionAbortedError: DeliveryFailed,
    kafka.IllegalStateError: DeliveryFailed,  # the producer was closed with the message still in it
    kafka.RetriableError: BrokerUnavailable,
    kafka.BrokerNotAvailableError: BrokerUnavailable,
    kafka.UnknownBrokerIdError: BrokerUnavailable,  # a broker that left between two metadata refreshes
    kafka.UnknownError: BrokerUnavailable,  # "an unexpected server error"
    kafka.KafkaError: BrokerRefused,  # not known to pass: stop and be seen
}

_ADVICE: Final[dict[type[WorkerError], str]] = {
    AccessDenied: "Check the credentials and what the broker's ACLs allow this user",
    AssignmentLost: "The consumer group rebalanced first",
    BrokerRefused: "Trying again would not help",
    BrokerUnavailable: "Check the broker and the network; nothing is known to be lost",
    BrokerUnreachable: "Check the address, that the broker runs, and that its security protocol is the one set",
    Fenced: "Another producer has this transactional id, or the broker gave up on a transaction",
    DeliveryFailed: "The message counts as not stored and has to be sent again",
    SettingsRejected: "Correct the setting",
    TopicMissing: "Create the topic; it is never created by the way",
}

_SPECIAL_ADVICE: Final[dict[type[Exception], str]] = {
    kafka.FencedInstanceIdError: "Another member took this group_instance_id: give each worker its own",
    kafka.AuthorizationError: "Grant it; docs/security.md lists what a worker needs",
    kafka.SaslAuthenticationFailedError: "Check sasl_mechanism and the user's password or token",
    kafka.UnsupportedSaslMechanismError: "Set a sasl_mechanism that the broker has",
    kafka.IllegalSaslStateError: "Set the security_protocol that this listener has",
    BrokerNotTrusted: "Check ssl_cafile, and that the broker is called by a name that its certificate is for",
    CertificateRefused: "Check ssl_certfile and ssl_keyfile, and which authorities the broker trusts",
}

NOTHING: Final[Needs] = {}
_DETAIL_CHARS = 300  # the library quotes whole responses


def to_describe(topic: str) -> Needs:
    """What may be missing to see a topic at all."""
    return {kafka.TopicAuthorizationFailedError: f"Describe on topic {topic} (Read and Write include it)"}


def to_read(topic: str, group_id: str) -> Needs:
    """What may be missing to read a topic as a group, and to commit."""
    return {
        kafka.TopicAuthorizationFailedError: f"Read on topic {topic}",
        kafka.GroupAuthorizationFailedError: f"Read on group {group_id}",
    }


def to_write(topic: str) -> Needs:
    """What may be missing to write to a topic."""
    return {
        kafka.TopicAuthorizationFailedError: f"Write on topic {topic}",
        kafka.ClusterAuthorizationFailedError: "IdempotentWrite on the cluster",  # of brokers before 3.0
    }


def to_transact(transactional_id: str) -> Needs:
    """What may be missing to use a transactional id."""
    return {kafka.TransactionalIdAuthorizationFailedError: f"Write on transactional id {transactional_id}"}


def of_code(code: int) -> Exception:
    """Return the error that a broker means by a code of the protocol, whichever client it told."""
    error: Exception = kafka.for_code(code)() if code >= 0 else kafka.KafkaError()
    return error


def class_of(exc: Exception) -> type[WorkerError]:
    """Our class for an error of kafka-python: that of its most specific ancestor in the table."""
    return next((CLASS_OF[base] for base in type(exc).__mro__ if base in CLASS_OF), BrokerRefused)


def translate(
    exc: Exception,
    what: str,
    *,
    detail: str | None = None,
    needs: Needs = NOTHING,
    unavailable: type[WorkerError] = BrokerUnavailable,
) -> WorkerError:
    """Make our error of theirs. `what` was being done, to what; `unavailable` stands in for BrokerUnavailable.

    `detail` replaces the library's words. The caller raises it `from exc` or sets its cause: a receipt is not raised.
    """
    ours = class_of(exc)
    if ours is BrokerUnavailable:
        ours = unavailable
    advice = next((_SPECIAL_ADVICE[base] for base in type(exc).__mro__ if base in _SPECIAL_ADVICE), _ADVICE[ours])
    return ours(f"{what} failed: {detail or _detail(exc, needs)}. {advice}")


@contextmanager
def translated(
    what: str, *, needs: Needs = NOTHING, unavailable: type[WorkerError] = BrokerUnavailable
) -> Iterator[None]:
    """Raise kafka-python's errors as ours, the original as their cause."""
    try:
        yield
    except kafka.KafkaError as exc:
        raise translate(exc, what, needs=needs, unavailable=unavailable) from exc


def _detail(exc: Exception, needs: Needs) -> str:
    if type(exc) in needs:
        return f"the broker does not allow this user {needs[type(exc)]}"
    if isinstance(exc, kafka.SaslAuthenticationFailedError) and exc.args:
        return str(exc.args[0]).removeprefix(f"{kafka.SaslAuthenticationFailedError.__name__}: ")[:_DETAIL_CHARS]
    # str() of an error without arguments reads "KafkaTimeoutError: None" or "[Error 7] ...: None"
    return str(exc).removesuffix(": None")[:_DETAIL_CHARS] or type(exc).__name__
