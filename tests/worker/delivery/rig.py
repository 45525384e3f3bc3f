"""What the tests of both deliveries share: a fake broker, one owned partition, and outcomes to publish."""

from typing import Generic, TypeVar

from tests.fakes.fake_broker import FakeBroker, FakeSink, FakeSource
from worker.broker.contract import Outgoing, Record, TopicPartition
from worker.delivery.contract import Delivery
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcome
from worker.wire.reasons import Reason

RAW, SCORED = TopicPartition("raw", 0), TopicPartition("scored", 0)
S = TypeVar("S", bound=FakeSink)


class DeliveryRig(Generic[S]):
    """A broker and a source, with one partition assigned. A subclass sets `delivery`."""

    delivery: Delivery

    def __init__(self) -> None:
        self.broker = FakeBroker()
        for topic in ("raw", "scored", "dlq"):
            self.broker.create_topic(topic)
        self.source: FakeSource = self.broker.source("raw", group_id="g")
        self.source.poll(timeout_s=0, max_records=1)
        self.offsets = Offsets()
        self.offsets.assign(RAW)
        self.sinks: list[S] = []

    def opened(self, sink: S) -> S:
        self.sinks.append(sink)
        return sink

    def outcome(self, offset: int, *, topic: str = "scored", dead_because: Reason | None = None) -> Outcome:
        generation = self.offsets.received(RAW, offset)
        message = Outgoing(topic, b"k", b"%d" % offset)
        return Outcome(Record(RAW, offset, None, b"k", b"v"), generation, message, dead_because=dead_because)

    @property
    def committed(self) -> int:
        return self.broker.committed["g"].get(RAW, 0)
