"""What librdkafka says, in our words.

A broker's error has the same code in every client, and kafka-python's table tells what it means to us. Each of the
library's own errors, whose codes are negative, is taken for the one of the protocol that means the same.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from worker.broker.kafka_python.errors import NOTHING, Needs, of_code, translate
from worker.broker.kafka_python.network import BrokerNotTrusted, CertificateRefused
from worker.errors import BrokerUnavailable, WorkerError

_MEANS: Final = {
    KafkaError._AUTHENTICATION: KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._ASSIGNMENT_LOST: KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError._UNKNOWN_TOPIC: KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION: KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._FENCED: KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH: KafkaError.PRODUCER_FENCED,  # so it is called since Kafka 2.7
    KafkaError.FENCED_INSTANCE_ID: KafkaError.UNKNOWN_MEMBER_ID,  # our older id, perhaps: the source finds out
    # What ended the producer was told of another message.
    KafkaError._GAPLESS_GUARANTEE: KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError._PURGE_QUEUE: KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError._PURGE_INFLIGHT: KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError._FATAL: KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError._STATE: KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError._MSG_TIMED_OUT: KafkaError.REQUEST_TIMED_OUT,
    KafkaError._TIMED_OUT: KafkaError.REQUEST_TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE: KafkaError.REQUEST_TIMED_OUT,
    KafkaError._TRANSPORT: KafkaError.NETWORK_EXCEPTION,
    KafkaError._SSL: KafkaError.NETWORK_EXCEPTION,
    KafkaError._ALL_BROKERS_DOWN: KafkaError.NETWORK_EXCEPTION,
    KafkaError._RESOLVE: KafkaError.NETWORK_EXCEPTION,
    KafkaError._WAIT_COORD: KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError._WAIT_CACHE: KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._DESTROY: KafkaError.NETWORK_EXCEPTION,
}
# A connection that ends during a login or a handshake is no answer.
_NO_ANSWER: Final = re.compile(r"Local: (Broker transport failure|Timed out)|disconnected|timed out", re.IGNORECASE)
_NOT_TRUSTED: Final = "certificate verify failed"
_REFUSING: Final = re.compile(
    "alert.*(certificate|unknown ca|handshake failure|access denied|protocol version|insufficient security)"
)


def told(
    error: KafkaError, what: str, *, needs: Needs = NOTHING, unavailable: type[WorkerError] = BrokerUnavailable
) -> WorkerError:
    """Make our error of theirs. `what` was being done, to what; `unavailable` stands in for BrokerUnavailable."""
    theirs = _meaning(error)
    detail = None if type(theirs) in needs else error.str()
    return translate(theirs, what, detail=detail, needs=needs, unavailable=unavailable)


@contextmanager
def translated(what: str, *, needs: Needs = NOTHING) -> Iterator[None]:
    """Raise librdkafka's errors as ours, the original as their cause."""
    try:
        yield
    except KafkaException as exc:
        raise told(exc.args[0], what, needs=needs) from exc


def is_refusal(error: KafkaError) -> bool:
    """Whether the cluster does not let us in, and another attempt would end alike."""
    if _tls_refusal(error) is not None:
        return True
    return error.code() == KafkaError._AUTHENTICATION and not _NO_ANSWER.search(error.str())


def _tls_refusal(error: KafkaError) -> Exception | None:
    if error.code() not in (KafkaError._SSL, KafkaError._TRANSPORT):
        return None
    if _NOT_TRUSTED in error.str():
        return BrokerNotTrusted()
    return CertificateRefused() if _REFUSING.search(error.str()) else None


def _meaning(error: KafkaError) -> Exception:
    code = error.code()
    if (refusal := _tls_refusal(error)) is not None:
        return refusal
    if code not in _MEANS and error.retriable():
        code = KafkaError.NETWORK_EXCEPTION
    return of_code(_MEANS.get(code, code))
