"""Every use of a private member of kafka-python, and every class derived from one of its internal classes.

Read this file again when the library's version moves. Each fault was seen on a real broker with 3.0.12, and each repair
has a test that fails without it.
"""

import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition, errors
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import MemberState

TESTED_VERSION: Final = "3.0.12"
_CHECK_AGAIN_S: Final = 0.005
_LOGIN_REFUSED: Final = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)
# TLS alerts about our identity. Others say that the broker is in trouble or got garbage, which may pass.
_REFUSING_ALERT: Final = re.compile(
    "_ALERT_.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED|PROTOCOL_VERSION|INSUFFICIENT_SECURITY)"
)

log = logging.getLogger(__name__)


@cache
def check_version() -> None:
    """Warn, once a process, where the installed library is not the one these repairs were tested with."""
    if kafka.__version__ != TESTED_VERSION:
        log.warning(
            "kafka-python %s is installed, but the worker changes internals of %s: records may be lost or repeated. "
            "Install that version",
            kafka.__version__,
            TESTED_VERSION,
        )


# Every client


class Network(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """The network half of a client, given to it as `kafka_client`. It knows why no broker can be reached.

    - The library takes wrong credentials and certificates for a broker that is away, and tries again for ever without a
      pause: a refused login is only logged. Here the first refusal is kept, and every later attempt raises it.
    - Its final "unable to bootstrap" hides the reason. Here the last failure is kept.
    """

    def __init__(self, **config: Any) -> None:
        net = NetworkSelector(**config)
        super().__init__(net, _Manager(net, **config), **config)

    @property
    def contact(self) -> "Contact":
        """What is known of the cluster."""
        contact: Contact = self._manager.contact
        return contact


@dataclass(slots=True)
class Contact:
    """What the connections of a client have shown about the cluster."""

    refusal: Exception | None = None  # why it refuses this client; None while it does not, or is only away
    last_failure: Exception | None = None  # why the last connection ended, or was never made
    received_s: float = field(default_factory=time.monotonic)  # when a broker last sent anything, or this was created
    on_refusal: Callable[[Exception], None] = lambda _: None  # called once, on the library's thread


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    def __init__(self, net: NetworkSelector, **config: Any) -> None:
        self.contact = Contact()
        super().__init__(net, **config)

    def get_connection(self, node_id: Any, **options: Any) -> KafkaConnection:
        """Raise the refusal instead of trying again: that would lock the account, or fill the broker's log."""
        if self.contact.refusal is not None:
            raise self.contact.refusal
        known = node_id in self._conns
        connection = super().get_connection(node_id, **options)
        if not known:
            connection.close_future.add_errback(self._on_end)
        return connection

    async def _build_transport(self, node: Any, **options: Any) -> KafkaTCPTransport:
        transport = await super()._build_transport(node, **options)
        data_before_end(transport, self._on_data)
        return transport

    def _on_data(self) -> None:
        self.contact.received_s = time.monotonic()

    def _on_end(self, failure: Exception) -> None:
        self.contact.last_failure = failure
        if self.contact.refusal is None:
            refusal = refusal_in(failure, scram=str(self.config["sasl_mechanism"]).startswith("SCRAM"))
            if refusal is not None:
                self.contact.refusal = refusal
                self.contact.on_refusal(refusal)


class BrokerNotTrusted(errors.SaslAuthenticationFailedError):  # type: ignore[misc]
    """We do not accept the broker's certificate. A login error to the library, so that it ends a transaction."""


class CertificateRefused(errors.SaslAuthenticationFailedError):  # type: ignore[misc]
    """The broker does not accept our certificate, or asks for one. A login error for the same reason."""


def refusal_in(failure: Exception, *, scram: bool) -> Exception | None:
    """Return the refusal in the failure of a connection; None where a retry may help."""
    refusal: Exception | None = failure if isinstance(failure, _LOGIN_REFUSED) else None
    # In SCRAM the broker, too, has to prove that it knows the password. A UnicodeError is an invalid host name.
    if scram and isinstance(failure, ValueError) and not isinstance(failure, UnicodeError):
        refusal = errors.SaslAuthenticationFailedError(f"the broker's half of the login is wrong: {failure}")
    # The library wraps the error of TLS, and keeps it as an argument or as the context.
    for inner in (*failure.args, failure.__context__):
        if isinstance(inner, ssl.SSLCertVerificationError):
            reason = inner.verify_message.rstrip(".")
            refusal = BrokerNotTrusted(f"the broker's certificate is not accepted: {reason}")
        elif isinstance(inner, ssl.SSLError) and _REFUSING_ALERT.search(inner.reason or ""):
            refusal = CertificateRefused(f"the broker ended the TLS handshake: {inner.reason}")
    return refusal


def data_before_end(transport: KafkaTCPTransport, on_data: Callable[[], None]) -> None:
    """Deliver data and the end of a connection as two reads. Calls `on_data` for each read of data.

    The library discards what arrives together with the end, and a broker's last bytes say why it refuses a login.
    """
    receive = transport._sock_recv

    def data_or_end() -> tuple[bytes, Exception | None]:
        data, end = receive()
        if data:
            on_data()
        return data, None if data else end  # the next read meets the end again

    transport._sock_recv = data_or_end


# Consumers


def keep_joins(consumer: KafkaConsumer, handing_over: Callable[[], bool]) -> None:
    """Give the next poll the result of a join that completed after the last one, and delay joins.

    - The library discards a join that completes between two polls, and starts another: a member whose polls are short
      never gets in, and every attempt makes the whole group rebalance. Here the result is kept.
    - A poll that has to give partitions up joins again before it returns, so nothing done in them can be committed.
      Here the join waits while `handing_over` returns True; heartbeats rest meanwhile.
    """
    coordinator: Any = consumer._coordinator
    join = coordinator._do_join_and_sync_async
    kept: tuple[object, bytes] | None = None

    async def join_unless_joined() -> bytes:
        nonlocal kept
        while handing_over():
            await coordinator._manager._net.sleep(_CHECK_AGAIN_S)
        # Still rebalancing in the generation that a join ended with: its result is unused.
        if kept and coordinator.state == MemberState.REBALANCING and kept[0] is coordinator._generation:
            return kept[1]
        assignment: bytes = await join()
        kept = coordinator._generation, assignment
        return assignment

    coordinator._do_join_and_sync_async = join_unless_joined


def before_poll(consumer: KafkaConsumer) -> None:
    """Correct the state that the last poll may have left; takes 2 us.

    - A leader that joins again because the topic changed, and whose poll ends before the join does, considers itself
      joined: no heartbeat and no new partitions, for ever. Here it is reminded.
    - A partition that is paused half read, while others are read to the end, stays silent when it is resumed: its
      records are put aside and not taken up again. Here the slot that they wait for is cleared.
    """
    if consumer.group_metadata().state == MemberState.REBALANCING:
        consumer._coordinator.request_rejoin()
    fetcher = consumer._fetcher
    if not fetcher._next_partition_records:  # None, or a partition that is read to its end
        fetcher._next_partition_records = None


def report_resets(consumer: KafkaConsumer, report: Callable[[TopicPartition, int], None]) -> None:
    """Report the partition and its next offset whenever that record was deleted.

    The library goes on at the earliest record without a word.
    """
    subscription: Any = consumer._subscription
    reset = subscription.request_offset_reset

    def report_and_reset(partition: TopicPartition, strategy: int | None = None) -> None:
        if strategy is None:  # a seek of ours names one
            report(partition, subscription.assignment[partition].position.offset)
        reset(partition, strategy)

    subscription.request_offset_reset = report_and_reset


def forget_offset_lookups(consumer: KafkaConsumer) -> None:
    """Make the next lookup of committed offsets a question of its own.

    The library answers it with the result of an earlier one that timed out, however much was committed in between:
    records are then processed again.
    """
    consumer._coordinator._offset_fetch_futures.clear()


_read_record: Final = DefaultRecordBatch._read_msg


def read_any_header_name() -> None:
    """Let every consumer of this process read headers whose names are not UTF-8; free where all are.

    The library can read neither such a record nor any behind it. Here odd bytes become surrogates, and the bytes that
    they were when the name is written again.
    """
    DefaultRecordBatch._read_msg = _read_record_of_any_name


def _read_record_of_any_name(batch: Any) -> Any:
    try:
        return _read_record(batch)
    except UnicodeDecodeError:
        batch._buffer = _Bytes(batch._buffer)  # once for the rest of the batch: a copy for each record takes hours
        return _read_record(batch)


class _Bytes(bytearray):
    """A batch whose parts are decoded leniently."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return found if isinstance(found, int) else _Part(found)


class _Part(bytes):
    def decode(self, *_: Any) -> "_HeaderName":
        return _HeaderName(self, "utf-8", "surrogateescape")


class _HeaderName(str):
    """Encodes to the bytes that were read, also where the library encodes strictly."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return super().encode("utf-8", "surrogateescape")


# Producers


def stop_sending(producer: KafkaProducer) -> None:
    """End the producer's thread without sending what is buffered.

    `close` sends that first, and raises and stops nothing where it cannot.
    """
    producer._sender.force_close()


class TransactionSteps:
    """The steps of a commit. Those of the public interface wait for the coordinator without a limit."""

    def __init__(self, producer: KafkaProducer) -> None:
        self._transactions = producer._transaction_manager
        self._sender = producer._sender

    def send_offsets(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], membership: object, wait_s: float
    ) -> bool:
        """Add offsets of the group to the transaction. Returns whether it was done in time; raises KafkaError."""
        return self._wait(self._transactions.send_offsets_to_transaction(offsets, membership), wait_s)

    def commit(self, wait_s: float) -> bool:
        """Commit the transaction. Returns whether it was done in time; raises KafkaError."""
        return self._wait(self._transactions.begin_commit(), wait_s)

    def _wait(self, result: Any, wait_s: float) -> bool:
        self._sender.wakeup()
        done: bool = result.wait(timeout_ms=wait_s * 1000)
        return done


# Administration


def broker_version(admin: KafkaAdminClient) -> tuple[int, ...]:
    """Return the version of the protocol that the brokers speak. The public interface does not offer it."""
    return tuple(admin._manager.broker_version)


def ask_coordinator(admin: KafkaAdminClient, key: str, kind: int, request: Any) -> int:
    """Send a request to the coordinator of `key`, and return the error code of its answer.

    `kind` is 0 for a group and 1 for a transactional id. The public interface sends no requests of the caller's choice.
    """

    async def send() -> int:
        coordinator = await admin._find_coordinator_id(key, kind)
        answer = await admin._manager.send(request, node_id=coordinator)
        code: int = answer.error_code
        return code

    code: int = admin._manager.run(send)
    return code
