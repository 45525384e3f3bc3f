"""Publishing files: every receipt is checked, and what is in flight is bounded."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.fake_broker import FakeBroker, FakeSink, FakeSource
from worker.broker.clients import Client
from worker.broker.contract import TopicPartition
from worker.commands import produce
from worker.commands.produce import ReviewProducer, due_in_s, key_of, publish, publish_file
from worker.commands.review_files import FileRow, ReviewRow, UnreadableRow, readable
from worker.errors import AccessDenied, BrokerUnreachable, DeliveryFailed
from worker.settings.schema import Settings
from worker.wire.review import decode_review

TOPIC = "reviews.raw"
PARTITION = TopicPartition(TOPIC, 0)


def row(line: int = 1, **fields: object) -> ReviewRow:
    value = json.dumps({"text": "a", "review_id": f"r-{line}"} | fields).encode()
    return ReviewRow(line, value, decode_review(value))


class Rig:
    """A producer on a fake broker, and what it reported. It is its own progress."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.broker.create_topic(TOPIC)
        self.sink = FakeSink(self.broker)
        self.failures: list[UnreadableRow] = []
        self.progress: list[int] = []
        self.advance, self.fail = self.progress.append, self.failures.append
        self.producer = ReviewProducer(self.sink, TOPIC, self, key_field="review_id", timeout_s=1.0)

    @property
    def counts(self) -> tuple[int, int]:
        """How many reviews were stored, and how many rows failed."""
        return self.producer.stored, len(self.failures)

    def publish(self, *rows: FileRow, rate_per_s: float | None = None) -> None:
        publish(readable(rows, self), self.producer, rate_per_s=rate_per_s)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_reviews_are_stored_as_they_stand_under_their_ids(rig: Rig) -> None:
    rows = [row(line, label=line) for line in (1, 2, 3)]
    rig.publish(*rows)
    assert [(record.key, record.value) for record in rig.broker.stored(TOPIC)] == [
        (f"r-{each.line}".encode(), each.value) for each in rows
    ]
    assert (*rig.counts, sum(rig.progress)) == (3, 0, 3)


@pytest.mark.parametrize("rate_per_s", [None, 1e6])
def test_an_unreadable_row_is_reported_and_not_published(rig: Rig, rate_per_s: float | None) -> None:
    """A rate changes nothing but the time."""
    rig.publish(row(1), UnreadableRow(2, "not JSON"), row(3), rate_per_s=rate_per_s)
    assert rig.counts == (2, 1)
    assert rig.failures == [UnreadableRow(2, "not JSON")]


def test_a_review_that_the_broker_rejects_is_reported_by_its_line_and_affects_no_other(rig: Rig) -> None:
    rig.publish(row(1), row(2, text="x" * 2_000_000), row(3))
    assert rig.counts == (2, 1)
    [failure] = rig.failures
    assert failure.line == 2
    assert failure.why.startswith("not stored: ")
    assert "too large" in failure.why


def test_a_review_that_failed_because_of_another_is_sent_again(rig: Rig) -> None:
    """A rejected review makes those sent after it fail."""
    rig.sink.hold = True
    rig.producer.send(row(1))
    rig.producer.send(row(2))
    rig.sink.settle_oldest(PARTITION)
    rig.sink.settle_oldest(PARTITION, DeliveryFailed("lost"))
    rig.sink.hold = False
    rig.producer.finish()
    assert rig.counts == (2, 0)
    assert [record.key for record in rig.broker.stored(TOPIC)] == [b"r-1", b"r-2"]


def test_when_nothing_is_stored_any_more_each_review_is_reported_once(rig: Rig) -> None:
    rig.broker.refusals[TOPIC] = DeliveryFailed("lost")
    rig.publish(row(1), row(2))
    assert rig.failures == [UnreadableRow(line, "not stored: lost") for line in (1, 2)]
    assert rig.counts == (0, 2)


def test_without_permission_the_rest_is_not_tried(rig: Rig) -> None:
    rig.broker.refusals[TOPIC] = AccessDenied("not allowed")
    with pytest.raises(AccessDenied):
        rig.publish(row(1), row(2))
    assert rig.progress == []


def test_a_broker_that_does_not_answer_ends_it(rig: Rig) -> None:
    rig.sink.hold = True
    with pytest.raises(BrokerUnreachable):
        rig.publish(row(1))


@pytest.mark.parametrize(("bound", "value"), [("MAX_IN_FLIGHT", 3), ("MAX_IN_FLIGHT_BYTES", 80)])
def test_what_is_in_flight_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    """The third review has to wait for the broker, which here never answers."""
    monkeypatch.setattr(produce, bound, value)
    rig.sink.hold = True
    rig.producer.send(row(1))
    rig.producer.send(row(2))
    with pytest.raises(BrokerUnreachable):
        rig.producer.send(row(3))


def test_closing_counts_what_was_still_stored(rig: Rig) -> None:
    rig.sink.hold = True
    rig.producer.send(row(1))
    rig.sink.hold = False
    rig.producer.close()
    assert rig.producer.stored == 1
    assert rig.sink.closed


@pytest.mark.parametrize(
    ("sent", "elapsed_s", "wait_s"), [(0, 0.0, 0.0), (1, 0.0, 0.25), (8, 1.5, 0.5), (8, 2.0, 0.0), (8, 60.0, 0.0)]
)
def test_a_review_waits_until_the_rate_allows_it(sent: int, elapsed_s: float, wait_s: float) -> None:
    assert due_in_s(sent, 4.0, elapsed_s) == wait_s


def test_the_client_of_the_settings_publishes(rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = Client(FakeSource, lambda *_, **__: rig.sink, lambda *_, **__: pytest.fail("no transactions"))
    monkeypatch.setattr(produce, "client_named", {"confluent": opened}.__getitem__)
    monkeypatch.setattr(produce, "require_topics", lambda *_: {})
    (tmp_path / "r.txt").write_text("a\nb\n")
    options: dict[str, Any] = dict.fromkeys(("topic", "rate_per_s", "limit"))
    settings, source = Settings(client="confluent"), str(tmp_path / "r.txt")
    assert publish_file(settings, source, "auto", key_field="review_id", as_json=False, **options) == 0
    assert [record.value for record in rig.broker.stored(TOPIC)] == [b'{"text": "a"}', b'{"text": "b"}']


@pytest.mark.parametrize(
    ("fields", "field", "key"),
    [
        ({}, "review_id", b"r-1"),
        ({"review_id": None}, "review_id", None),
        ({"product_id": "tt-é"}, "product_id", "tt-é".encode()),
        ({"label": 1}, "label", b"1"),
        ({}, "label", None),
        ({"label": None}, "label", None),
    ],
)
def test_the_key_is_the_field_asked_for(fields: dict[str, object], field: str, key: bytes | None) -> None:
    assert key_of(row(1, **fields), field) == key
