"""The errors of librdkafka, translated by the table of `worker.broker.errors`."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from worker.broker.errors import NOTHING, Code, Needs, broker_error
from worker.errors import BrokerUnavailable, WorkerError

# The library's own errors, whose codes are negative, and two of the protocol that this library uses differently.
_LOCAL: Final[Mapping[int, Code]] = {
    KafkaError._AUTHENTICATION: Code.SASL_AUTHENTICATION_FAILED,
    KafkaError._ASSIGNMENT_LOST: Code.UNKNOWN_MEMBER_ID,
    KafkaError._UNKNOWN_TOPIC: Code.UNKNOWN_TOPIC_OR_PARTITION,
    KafkaError._UNKNOWN_PARTITION: Code.UNKNOWN_TOPIC_OR_PARTITION,
    KafkaError._FENCED: Code.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH: Code.PRODUCER_FENCED,  # the name of that error before Kafka 2.7
    KafkaError.FENCED_INSTANCE_ID: Code.UNKNOWN_MEMBER_ID,  # perhaps of our older member id: the source finds out
    # What ended the producer was reported for another message.
    KafkaError._GAPLESS_GUARANTEE: Code.UNKNOWN_PRODUCER_ID,
    KafkaError._PURGE_QUEUE: Code.UNKNOWN_PRODUCER_ID,
    KafkaError._PURGE_INFLIGHT: Code.UNKNOWN_PRODUCER_ID,
    KafkaError._FATAL: Code.UNKNOWN_PRODUCER_ID,
    KafkaError._STATE: Code.UNKNOWN_PRODUCER_ID,
    **dict.fromkeys(
        (
            KafkaError._MSG_TIMED_OUT,
            KafkaError._TIMED_OUT,
            KafkaError._TIMED_OUT_QUEUE,
            KafkaError._TRANSPORT,
            KafkaError._SSL,
            KafkaError._ALL_BROKERS_DOWN,
            KafkaError._RESOLVE,
            KafkaError._WAIT_COORD,
            KafkaError._WAIT_CACHE,
            KafkaError._DESTROY,
        ),
        Code.NETWORK_EXCEPTION,
    ),
}
# A connection that ends during a login or a handshake is no answer.
_NO_ANSWER: Final = re.compile(r"Local: (Broker transport failure|Timed out)|disconnected|timed out", re.IGNORECASE)
_NOT_TRUSTED: Final = "certificate verify failed"
_REFUSING: Final = re.compile(
    "alert.*(certificate|unknown ca|handshake failure|access denied|protocol version|insufficient security)"
)


def code_of(error: KafkaError) -> int:
    """Return the code of the protocol for an error of the library."""
    code = error.code()
    if (refusal := _tls_refusal(error)) is not None:
        return refusal
    if code not in _LOCAL and error.retriable():
        return Code.NETWORK_EXCEPTION
    return _LOCAL.get(code, code)


def translate(
    error: KafkaError, what: str, *, needs: Needs = NOTHING, unavailable: type[WorkerError] = BrokerUnavailable
) -> WorkerError:
    """Return our error for one of the library; see `broker_error`."""
    return broker_error(code_of(error), what, error.str(), needs=needs, unavailable=unavailable)


@contextmanager
def translated(what: str, *, needs: Needs = NOTHING) -> Iterator[None]:
    """Raise librdkafka's errors as ours, the original as their cause."""
    try:
        yield
    except KafkaException as exc:
        raise translate(exc.args[0], what, needs=needs) from exc


def is_refusal(error: KafkaError) -> bool:
    """Whether the cluster refuses this client, so that another attempt would end alike."""
    if _tls_refusal(error) is not None:
        return True
    return error.code() == KafkaError._AUTHENTICATION and not _NO_ANSWER.search(error.str())


def _tls_refusal(error: KafkaError) -> Code | None:
    if error.code() not in (KafkaError._SSL, KafkaError._TRANSPORT):
        return None
    if _NOT_TRUSTED in error.str():
        return Code.BROKER_NOT_TRUSTED
    return Code.CERTIFICATE_REFUSED if _REFUSING.search(error.str()) else None
