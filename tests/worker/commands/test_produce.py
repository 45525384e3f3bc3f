"""Publishing files: every receipt is followed, and what is in flight is bounded."""

import json

import pytest

from tests.fakes.fake_broker import FakeBroker, FakeSink
from worker.broker.contract import TopicPartition
from worker.commands import produce as publishing
from worker.commands.produce import Publisher, due_in_s, key_of, publish
from worker.commands.review_files import Row, Unreadable
from worker.errors import AccessDenied, BrokerUnreachable, DeliveryFailed
from worker.wire.review import decode_review

TOPIC = "reviews.raw"
PARTITION = TopicPartition(TOPIC, 0)


def row(line: int = 1, **fields: object) -> Row:
    value = json.dumps({"text": "a", "review_id": f"r-{line}"} | fields).encode()
    return Row(line, value, decode_review(value))


class Bench:
    """A publisher on a fake broker, and what it told."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.broker.create_topic(TOPIC)
        self.sink = FakeSink(self.broker)
        self.failures: list[Unreadable] = []
        self.progress: list[int] = []
        self.publisher = Publisher(
            self.sink, TOPIC, key_field="review_id", timeout_s=1.0, on_failure=self.failures.append
        )

    def publish(self, *rows: Row | Unreadable, rate_per_s: float | None = None) -> None:
        publish(rows, self.publisher, rate_per_s=rate_per_s, on_progress=self.progress.append)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_reviews_are_stored_as_they_stand_under_their_ids(bench: Bench) -> None:
    rows = [row(line, label=line) for line in (1, 2, 3)]
    bench.publish(*rows)
    assert [(record.key, record.value) for record in bench.broker.stored(TOPIC)] == [
        (f"r-{each.line}".encode(), each.value) for each in rows
    ]
    assert (bench.publisher.stored, bench.publisher.failed, sum(bench.progress)) == (3, 0, 3)


def test_an_unreadable_row_is_told_and_not_published(bench: Bench) -> None:
    bench.publish(row(1), Unreadable(2, "not JSON"), row(3))
    assert (bench.publisher.stored, bench.publisher.failed) == (2, 1)
    assert bench.failures == [Unreadable(2, "not JSON")]


def test_a_review_that_the_broker_refuses_is_told_by_its_line_and_costs_no_other(bench: Bench) -> None:
    bench.publish(row(1), row(2, text="x" * 2_000_000), row(3))
    assert (bench.publisher.stored, bench.publisher.failed) == (2, 1)
    [failure] = bench.failures
    assert failure.line == 2
    assert failure.why.startswith("not stored: ")
    assert "too large" in failure.why


def test_a_review_lost_on_the_way_is_sent_again(bench: Bench) -> None:
    """One that the broker refuses takes those behind it with it."""
    bench.sink.hold = True
    bench.publisher.send(row(1))
    bench.publisher.send(row(2))
    bench.sink.settle_oldest(PARTITION)
    bench.sink.settle_oldest(PARTITION, DeliveryFailed("lost"))
    bench.sink.hold = False
    bench.publisher.finish()
    assert (bench.publisher.stored, bench.publisher.failed) == (2, 0)
    assert [record.key for record in bench.broker.stored(TOPIC)] == [b"r-1", b"r-2"]


def test_when_nothing_gets_through_any_more_each_review_is_told_once(bench: Bench) -> None:
    bench.broker.refusals[TOPIC] = DeliveryFailed("lost")
    bench.publish(row(1), row(2))
    assert [(failure.line, failure.why) for failure in bench.failures] == [
        (1, "not stored: lost"),
        (2, "not stored: lost"),
    ]
    assert (bench.publisher.stored, bench.publisher.failed) == (0, 2)


def test_without_permission_the_rest_is_not_tried(bench: Bench) -> None:
    bench.broker.refusals[TOPIC] = AccessDenied("not allowed")
    with pytest.raises(AccessDenied):
        bench.publish(row(1), row(2))
    assert bench.progress == []


def test_a_broker_that_does_not_answer_ends_it(bench: Bench) -> None:
    bench.sink.hold = True
    with pytest.raises(BrokerUnreachable):
        bench.publish(row(1))


@pytest.mark.parametrize(("bound", "value"), [("MAX_IN_FLIGHT", 3), ("MAX_IN_FLIGHT_BYTES", 80)])
def test_what_is_in_flight_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    """The third review has to wait for the broker, which here never answers."""
    monkeypatch.setattr(publishing, bound, value)
    bench.sink.hold = True
    bench.publisher.send(row(1))
    bench.publisher.send(row(2))
    with pytest.raises(BrokerUnreachable):
        bench.publisher.send(row(3))


def test_closing_counts_what_still_got_through(bench: Bench) -> None:
    bench.sink.hold = True
    bench.publisher.send(row(1))
    bench.sink.hold = False
    bench.publisher.close()
    assert bench.publisher.stored == 1
    assert bench.sink.closed


@pytest.mark.parametrize(
    ("sent", "elapsed_s", "wait_s"), [(0, 0.0, 0.0), (1, 0.0, 0.25), (8, 1.5, 0.5), (8, 2.0, 0.0), (8, 60.0, 0.0)]
)
def test_a_review_waits_until_the_rate_allows_it(sent: int, elapsed_s: float, wait_s: float) -> None:
    assert due_in_s(sent, 4.0, elapsed_s) == wait_s


def test_a_rate_changes_nothing_but_the_time(bench: Bench) -> None:
    bench.publish(row(1), Unreadable(2, "not JSON"), row(3), rate_per_s=1e6)
    assert (bench.publisher.stored, bench.publisher.failed) == (2, 1)


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
