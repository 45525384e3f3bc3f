"""Any record becomes exactly one of: a scored review, a tombstone, or a dead letter with its reason.

All cases go through one worker in one run, each between two good reviews of its partition.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import Message, Stored, new_topics, read_all
from tests.support.oracle import Input
from tests.support.stage import Stage
from tests.support.traffic import NUMBER, result_of, reviews

pytestmark = pytest.mark.broker

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DEEP = 100_000


class Poison(NamedTuple):
    """A value that is no review, and the reason that its dead letter has to give."""

    value: bytes | None
    reason: str
    key: bytes | None = b"a key \xff\x00"


def odd(text: str, **fields: object) -> bytes:
    return json.dumps({"review_id": "odd", "text": text, **fields}, ensure_ascii=False).encode()


POISON = {
    "an empty value": Poison(b"", "invalid_json"),
    "no JSON at all": Poison(b"a fine film", "invalid_json"),
    "JSON that ends too early": Poison(b'{"review_id": "p", "text": "a fine film', "invalid_json"),
    "UTF-16": Poison('{"text": "a fine film"}'.encode("utf-16"), "invalid_json"),
    "invalid UTF-8": Poison(b'{"text": "a fine \xff\xfe film"}', "invalid_json"),
    "a lone surrogate": Poison(b'{"text": "a fine \\ud800 film"}', "invalid_json"),
    "nested 100,000 deep": Poison(b"[" * DEEP + b"]" * DEEP, "invalid_json"),
    "nested 100,000 deep in an unknown field": Poison(
        b'{"text": "a fine film", "x": ' + b"[" * DEEP + b"]" * DEEP + b"}", "invalid_json"
    ),
    "a number of 5,000 digits": Poison(b'{"text": "a fine film", "x": ' + b"9" * 5000 + b"}", "invalid_json"),
    "an array": Poison(b'["a fine film"]', "invalid_review"),
    "JSON's null": Poison(b"null", "invalid_review"),
    "no text": Poison(b'{"review_id": "p"}', "invalid_review"),
    "a text that is null": Poison(b'{"text": null}', "invalid_review"),
    "a text that is a number": Poison(b'{"text": 1}', "invalid_review"),
    "a text that is a huge number": Poison(b'{"text": 1' + b"0" * 4000 + b"}", "invalid_review"),
    "an id that is a number": Poison(b'{"review_id": 7, "text": "a fine film"}', "invalid_review"),
    "a time without a zone": Poison(odd("a fine film", created_at="2026-11-01T12:00:00"), "invalid_review"),
    "a null value without a key": Poison(None, "keyless_tombstone", key=None),
}

SCORED = {
    "an empty text": odd(""),
    "a text of blanks": odd(" \n\t "),
    "a text of 5 MB": odd("a good film " * 430_000),
    "NUL in the text": odd("a good\0film\0"),
    "100,000 emoji": odd("😀" * 100_000),
    "another language": odd("这部电影非常好看，我很喜欢。 Отличный фильм. فيلم رائع"),
    "unknown fields": odd("a good film", stars=5, nested={"deeply": [1, 2, {"x": None}]}),
    "a number of 4,000 digits in an unknown field": b'{"review_id": "odd", "text": "good", "x": ' + b"9" * 4000 + b"}",
    "a number beyond any float in an unknown field": b'{"review_id": "odd", "text": "good", "x": 1e400}',
    "all known fields": odd("a good film", product_id="p", language="en", created_at="2026-11-01T12:00:00Z"),
    "an escaped pair of surrogates": b'{"review_id": "odd", "text": "good \\ud83d\\ude00"}',
}

NO_ID = Message(b'{"text": "a good film"}', key=b"no id", partition=1)
KEYLESS = Message(odd("a good film"), partition=0)
TRACED = Message(
    odd("a good film"),
    key=b"traced",
    headers=(("traceparent", TRACEPARENT), ("tag", b"one"), ("tag", b"two"), ("sentiment-reason", b"of a replay")),
    partition=3,
)
TOMBSTONE = Message(None, key=b"gone", partition=2)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What one run of a worker made of everything above."""

    worker_status: int
    faults: list[str]
    topic: str
    sent: dict[Message, Input]
    scored: dict[int, Stored]  # by the number of the input
    dead: dict[int, Stored]

    def result(self, message: Message) -> Stored:
        return self.scored[self.sent[message].number]

    def value(self, message: Message) -> Any:
        return json.loads(self.result(message).value or b"null")


def poisoned(name: str) -> Message:
    return Message(POISON[name].value, POISON[name].key, (("traceparent", TRACEPARENT),), list(POISON).index(name) % 4)


def scorable(name: str) -> Message:
    return Message(SCORED[name], name.encode(), partition=list(SCORED).index(name) % 4)


def everything() -> list[Message]:
    """Each case after a good review; then one more good review for each partition."""
    cases = [*map(poisoned, POISON), *map(scorable, SCORED), NO_ID, KEYLESS, TRACED, TOMBSTONE]
    good = reviews(seed=4, words=20)
    between = chain.from_iterable((next(good)._replace(partition=case.partition), case) for case in cases)
    return [*between, *(next(good) for _ in range(4))]


@pytest.fixture(scope="module")
def aftermath(broker: Broker, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    topics = new_topics(broker.address)
    with Stage(broker.address, topics, tmp_path_factory.mktemp("each"), model=tiny_artifact) as stage:
        messages = everything()
        sent = dict(zip(messages, stage.traffic.send(messages), strict=True))
        status = stage.start(until_empty=True).exit_status()
        scored, dead = (
            {result_of(topic, stored).number: stored for stored in read_all(broker.address, topic)}
            for topic in (topics.output, topics.dlq)
        )
        yield Aftermath(status, stage.faults(), topics.input, sent, scored, dead)


def test_no_record_stops_the_worker_or_costs_a_neighbour_its_place(aftermath: Aftermath) -> None:
    assert aftermath.worker_status == 0
    assert aftermath.faults == []
    assert len(aftermath.dead) == len(POISON)
    assert len(aftermath.scored) == len(aftermath.sent) - len(POISON)


@pytest.mark.parametrize("name", POISON)
def test_what_is_no_review_becomes_a_dead_letter_that_says_why_and_whence(name: str, aftermath: Aftermath) -> None:
    message = poisoned(name)
    record = aftermath.sent[message]
    letter = aftermath.dead[record.number]
    headers = dict(letter.headers)
    assert letter.key == message.key
    assert letter.value == (b"" if message.key is None else message.value)  # Kafka clients ask for a key or a value
    assert headers["sentiment-reason"] == POISON[name].reason.encode()
    assert headers["sentiment-error"]
    assert headers["sentiment-source-topic"] == aftermath.topic.encode()
    assert headers["sentiment-source-partition"] == str(record.place.partition).encode()
    assert headers["sentiment-source-offset"] == str(record.place.offset).encode()
    assert headers["traceparent"] == TRACEPARENT


@pytest.mark.parametrize("name", SCORED)
def test_whatever_has_a_text_is_scored(name: str, aftermath: Aftermath) -> None:
    value = aftermath.value(scorable(name))
    assert value["review_id"] == "odd"  # the same for all: ids need not be unique
    assert 0 <= value["score"] <= 1
    if name in {"an empty text", "a text of blanks"}:
        assert (value["score"], value["tokens"]) == (0.5, 0)
    assert value["truncated"] == (name in {"a text of 5 MB", "100,000 emoji"})


def test_a_text_of_which_hardly_a_word_is_known_is_flagged(aftermath: Aftermath) -> None:
    names = ("another language", "an empty text", "an escaped pair of surrogates")
    assert [aftermath.value(scorable(name))["out_of_domain"] for name in names] == [True, True, False]


def test_a_review_without_an_id_is_named_after_its_place(aftermath: Aftermath) -> None:
    place = aftermath.sent[NO_ID].place
    value = aftermath.value(NO_ID)
    assert value["review_id"] == f"{aftermath.topic}-{place.partition}-{place.offset}"
    assert value["source"].items() >= {"topic": aftermath.topic, "partition": 1, "offset": place.offset}.items()


def test_the_headers_of_a_review_travel_on_and_those_of_an_earlier_pass_are_replaced(aftermath: Aftermath) -> None:
    headers = aftermath.result(TRACED).headers
    carried = tuple(header for header in headers if not header[0].startswith("sentiment-"))
    added = {name for name, _ in headers} - {name for name, _ in carried}
    assert carried == (*TRACED.headers[:3], (NUMBER, str(aftermath.sent[TRACED].number).encode()))
    assert added == {"sentiment-source", "sentiment-worker", "sentiment-model", "sentiment-model-sha256"}


def test_the_model_in_the_headers_is_the_one_in_the_value(aftermath: Aftermath) -> None:
    headers, model = dict(aftermath.result(TRACED).headers), aftermath.value(TRACED)["model"]
    assert headers["sentiment-model"] == b"tiny@1" == f"{model['name']}@{model['version']}".encode()
    assert headers["sentiment-model-sha256"] == model["sha256"].encode()


def test_a_review_without_a_key_gives_a_result_without_one_and_a_null_value_is_passed_on(aftermath: Aftermath) -> None:
    assert aftermath.result(KEYLESS).key is None
    passed_on = aftermath.result(TOMBSTONE)
    assert (passed_on.key, passed_on.value) == (b"gone", None)
