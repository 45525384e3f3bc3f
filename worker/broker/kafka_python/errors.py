"""The errors of kafka-python, translated by the table of `worker.broker.errors`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from kafka import errors as kafka

from worker.broker.errors import NOTHING, Code, Needs, broker_error
from worker.broker.kafka_python.repairs import BrokerNotTrusted, CertificateRefused
from worker.errors import BrokerUnavailable, WorkerError

_DETAIL_CHARS: Final = 300  # the library quotes whole responses

# The library's own errors, which have no code of the protocol.
_LOCAL: Final[Mapping[type[BaseException], Code]] = {
    BrokerNotTrusted: Code.BROKER_NOT_TRUSTED,
    CertificateRefused: Code.CERTIFICATE_REFUSED,
    kafka.KafkaConfigurationError: Code.INVALID_SETTING,
    kafka.CommitFailedError: Code.REBALANCE_IN_PROGRESS,
    kafka.TransactionAbortedError: Code.UNKNOWN_PRODUCER_ID,
    kafka.IllegalStateError: Code.UNKNOWN_PRODUCER_ID,  # the producer was closed with the message still in it
    kafka.UnknownBrokerIdError: Code.NETWORK_EXCEPTION,  # a broker that left between two metadata refreshes
    kafka.RetriableError: Code.NETWORK_EXCEPTION,
}


def code_of(exc: BaseException) -> int:
    """Return the code of the protocol for an error of the library: that of its most specific class."""
    for base in type(exc).__mro__:
        if base in _LOCAL:
            return _LOCAL[base]
        if (code := vars(base).get("errno")) is not None:
            return int(code)
    return Code.OTHER


def translate(
    exc: Exception,
    what: str,
    *,
    text: str | None = None,
    needs: Needs = NOTHING,
    unavailable: type[WorkerError] = BrokerUnavailable,
) -> WorkerError:
    """Return our error for one of the library; see `broker_error`. `text` replaces the library's text.

    The caller raises it `from exc` or sets its cause: a receipt is not raised.
    """
    return broker_error(code_of(exc), what, text or _text(exc), needs=needs, unavailable=unavailable)


@contextmanager
def translated(
    what: str, *, needs: Needs = NOTHING, unavailable: type[WorkerError] = BrokerUnavailable
) -> Iterator[None]:
    """Raise kafka-python's errors as ours, the original as their cause."""
    try:
        yield
    except kafka.KafkaError as exc:
        raise translate(exc, what, needs=needs, unavailable=unavailable) from exc


def _text(exc: Exception) -> str:
    if isinstance(exc, kafka.SaslAuthenticationFailedError) and exc.args:
        return str(exc.args[0]).removeprefix(f"{kafka.SaslAuthenticationFailedError.__name__}: ")[:_DETAIL_CHARS]
    # str() of an error without arguments reads "KafkaTimeoutError: None" or "[Error 7] ...: None"
    return str(exc).removesuffix(": None")[:_DETAIL_CHARS] or type(exc).__name__
