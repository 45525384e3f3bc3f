"""What every sink does, real or fake: the contract of a Sink as tests. Inherit and give a `rig`."""

from collections.abc import Sequence

import pytest

from tests.contract.rig import LIMIT_S, BrokerRig
from tests.support.until import until
from worker.broker.contract import Outgoing, Receipt, Sink
from worker.errors import BrokerRefused, DeliveryFailed, TopicMissing


class SinkContract:
    """Needs the fixture `rig`."""

    @pytest.fixture
    def sink(self, rig: BrokerRig) -> Sink:
        return rig.sink()

    # What is stored

    def test_messages_of_a_partition_are_stored_once_and_in_the_order_sent(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(partitions=2)
        receipts = [sink.send(Outgoing(topic, None, b"%d" % n, partition=n % 2)) for n in range(1000)]
        _all_stored(sink, receipts)
        stored = rig.stored(topic)
        assert [m.value for m in stored if m.partition == 0] == [b"%d" % n for n in range(0, 1000, 2)]
        assert [m.value for m in stored if m.partition == 1] == [b"%d" % n for n in range(1, 1000, 2)]

    def test_a_message_is_stored_as_it_was_sent(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(partitions=3)
        headers = (("trace", b"\x00\xff"), ("empty", b""), ("trace", b"again"))
        _all_stored(sink, [sink.send(Outgoing(topic, b"k", b"v", headers, 2, 1_600_000_000_123))])
        (message,) = rig.stored(topic)
        assert (message.partition, message.key, message.value) == (2, b"k", b"v")
        assert (message.headers, message.timestamp_ms) == (headers, 1_600_000_000_123)

    def test_a_key_or_a_value_may_be_missing(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic()
        _all_stored(sink, [sink.send(Outgoing(topic, None, b"v")), sink.send(Outgoing(topic, b"k", None))])
        assert [(message.key, message.value) for message in rig.stored(topic)] == [(None, b"v"), (b"k", None)]

    def test_a_header_without_a_value_is_stored_as_an_empty_one(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic()
        _all_stored(sink, [sink.send(Outgoing(topic, b"k", b"v", (("a", None), ("b", b"x"))))])
        (message,) = rig.stored(topic)
        assert message.headers == (("a", b""), ("b", b"x"))

    def test_messages_of_one_key_go_to_one_partition(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(partitions=8)
        _all_stored(sink, [sink.send(Outgoing(topic, b"k%d" % (n % 20), b"v")) for n in range(200)])
        places = {(message.key, message.partition) for message in rig.stored(topic)}
        assert len(places) == 20
        assert len({partition for _, partition in places}) > 1

    def test_five_megabytes_pass_where_the_topic_allows_them(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(max_message_bytes=6_000_000)
        _all_stored(sink, [sink.send(Outgoing(topic, b"k", b"x" * 5_000_000))])
        (message,) = rig.stored(topic)
        assert message.value == b"x" * 5_000_000

    # What is refused

    def test_a_message_too_large_for_the_topic_is_refused_by_its_receipt(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(max_message_bytes=10_000)
        receipt = sink.send(Outgoing(topic, b"k", b"x" * 20_000))
        sink.flush(timeout_s=LIMIT_S)
        assert receipt.done
        assert isinstance(receipt.error, BrokerRefused)
        assert rig.stored(topic) == []

    def test_a_refusal_is_never_blamed_on_other_messages(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(partitions=2, max_message_bytes=10_000)
        values = [b"x" * 20_000 if n == 7 else b"%d" % n for n in range(20)]
        left, stored = dict(enumerate(values)), set()
        while True:
            receipts = {n: sink.send(Outgoing(topic, b"k", value, partition=n % 2)) for n, value in left.items()}
            sink.flush(timeout_s=LIMIT_S)
            # A producer may fail with the refused message: the others then have to be sent again, and so does it where
            # the broker refused the whole batch.
            others = [receipt for n, receipt in receipts.items() if n != 7]
            assert all(receipt.error is None or isinstance(receipt.error, DeliveryFailed) for receipt in others)
            stored |= {left.pop(n) for n, receipt in receipts.items() if receipt.error is None}
            assert {message.value for message in rig.stored(topic)} == stored
            if isinstance(receipts[7].error, BrokerRefused):
                return
            assert isinstance(receipts[7].error, DeliveryFailed)

    def test_a_sink_works_on_after_a_refusal(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic(max_message_bytes=10_000)
        for value in (b"first", b"second"):
            refused = sink.send(Outgoing(topic, b"k", b"x" * 20_000))
            sink.flush(timeout_s=LIMIT_S)
            assert isinstance(refused.error, BrokerRefused)
            _all_stored(sink, [sink.send(Outgoing(topic, b"k", value))])
        assert [message.value for message in rig.stored(topic)] == [b"first", b"second"]

    def test_what_is_sent_after_a_failure_is_not_stored_before_a_flush(self, rig: BrokerRig, sink: Sink) -> None:
        """The one that failed may be sent again, and must not be stored behind those sent after it."""
        topic = rig.topic(max_message_bytes=10_000)
        refused = sink.send(Outgoing(topic, b"k", b"x" * 20_000))
        until(lambda: refused.done, LIMIT_S, "its outcome is known")
        later = sink.send(Outgoing(topic, b"k", b"later"))
        sink.flush(timeout_s=LIMIT_S)
        assert isinstance(later.error, DeliveryFailed)
        assert rig.stored(topic) == []
        _all_stored(sink, [sink.send(Outgoing(topic, b"k", b"later"))])
        assert [message.value for message in rig.stored(topic)] == [b"later"]

    def test_a_message_with_neither_key_nor_value_is_refused(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic()
        receipt = sink.send(Outgoing(topic, None, None))
        assert receipt.done
        assert isinstance(receipt.error, BrokerRefused)

    def test_a_topic_that_does_not_exist_is_refused(self, rig: BrokerRig, sink: Sink) -> None:
        _all_stored(sink, [sink.send(Outgoing(rig.topic(), b"k", b"v"))])
        receipts = [sink.send(Outgoing("there-is-no-such-topic", b"k", b"v")) for _ in range(100)]
        assert all(receipt.done for receipt in receipts)
        assert all(isinstance(receipt.error, BrokerRefused) for receipt in receipts)
        assert "there-is-no-such-topic" in str(receipts[0].error)

    def test_a_partition_that_does_not_exist_is_refused(self, rig: BrokerRig, sink: Sink) -> None:
        receipt = sink.send(Outgoing(rig.topic(partitions=2), b"k", b"v", partition=2))
        assert receipt.done
        assert isinstance(receipt.error, BrokerRefused)

    # Topics

    def test_the_partitions_of_a_topic_are_counted(self, rig: BrokerRig, sink: Sink) -> None:
        assert sink.partition_count(rig.topic(partitions=3)) == 3

    def test_a_missing_topic_has_no_partition_count(self, sink: Sink) -> None:
        with pytest.raises(TopicMissing, match="there-is-no-such-topic"):
            sink.partition_count("there-is-no-such-topic")

    # The end

    def test_close_sends_what_is_buffered(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic()
        receipts = [sink.send(Outgoing(topic, None, b"%d" % n)) for n in range(100)]
        sink.close(timeout_s=LIMIT_S)
        assert all(receipt.done and receipt.error is None for receipt in receipts)
        assert len(rig.stored(topic)) == 100

    def test_after_close_every_receipt_has_an_outcome(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic()
        receipts = [sink.send(Outgoing(topic, None, b"%d" % n)) for n in range(100)]
        sink.close(timeout_s=0)
        assert all(receipt.done for receipt in receipts)
        assert all(receipt.error is None or isinstance(receipt.error, DeliveryFailed) for receipt in receipts)

    def test_a_closed_sink_refuses_everything_but_another_close(self, rig: BrokerRig, sink: Sink) -> None:
        topic = rig.topic()
        sink.close(timeout_s=LIMIT_S)
        sink.close(timeout_s=LIMIT_S)
        for call in (
            lambda: sink.send(Outgoing(topic, b"k", b"v")),
            lambda: sink.flush(timeout_s=1),
            lambda: sink.partition_count(topic),
        ):
            with pytest.raises(RuntimeError, match="closed"):
                call()


def _all_stored(sink: Sink, receipts: Sequence[Receipt]) -> None:
    sink.flush(timeout_s=LIMIT_S)
    assert [receipt.error for receipt in receipts if receipt.error is not None] == []
    assert all(receipt.done for receipt in receipts)
