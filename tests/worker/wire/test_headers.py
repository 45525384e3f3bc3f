"""The table of headers lists what the worker writes, and the names of version 1 stay."""

from datetime import UTC, datetime

from worker.broker.contract import Headers, Record, TopicPartition
from worker.wire.headers import (
    PREFIX,
    Header,
    On,
    carried_headers,
    dead_letter_headers,
    handler_headers,
    provenance,
    replayed_headers,
)
from worker.wire.reasons import Reason
from worker.wire.scored import Model

VERSION_1 = {
    On.RESULTS: ["sentiment-source", "sentiment-worker", "sentiment-model", "sentiment-model-sha256"],
    On.DEAD_LETTERS: [
        "sentiment-reason",
        "sentiment-error",
        "sentiment-failed-at",
        "sentiment-source-topic",
        "sentiment-source-partition",
        "sentiment-source-offset",
        "sentiment-source-timestamp",
    ],
    On.REPLAYED: ["sentiment-replays"],
}
HANDLED_BY = handler_headers(worker_version="1", model=Model(name="m", version="1", sha256="00"))


def record(headers: Headers = ()) -> Record:
    return Record(TopicPartition("reviews.raw", 1), 42, 1_767_323_045_678, b"r-1", b"{}", headers)


def dead_letter(record: Record) -> Headers:
    return dead_letter_headers(
        record, reason=Reason.INVALID_JSON, error="", failed_at=datetime.now(UTC), handled_by=HANDLED_BY
    )


def names(headers: Headers) -> list[str]:
    return [name for name, _ in headers]


def test_the_names_of_version_1_stay() -> None:
    assert {on: [header for header in Header if header.on is on] for on in On} == VERSION_1
    assert all(header.startswith(PREFIX) for header in Header)


def test_a_result_has_the_headers_of_results() -> None:
    assert names(provenance(record(), HANDLED_BY)) == VERSION_1[On.RESULTS]


def test_a_dead_letter_has_the_headers_of_results_and_of_dead_letters() -> None:
    assert names(dead_letter(record())) == VERSION_1[On.RESULTS] + VERSION_1[On.DEAD_LETTERS]


def test_a_dead_letter_that_is_sent_back_keeps_only_the_producers_headers_and_counts_its_replays() -> None:
    tag = ("tag", b"one")
    letter = record(dead_letter(record((tag,))))
    sent_back = record(replayed_headers(letter))
    assert sent_back.headers == (tag, ("sentiment-replays", b"1"))
    assert carried_headers(record(dead_letter(sent_back))) == sent_back.headers
    assert replayed_headers(record(dead_letter(sent_back))) == (tag, ("sentiment-replays", b"2"))
