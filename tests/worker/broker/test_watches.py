"""The watch asks where partitions begin or end without waiting, and dates each answer by its question."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import confluent_kafka as ck
import pytest

from worker.broker.confluent.watches import OffsetWatch


class Found(NamedTuple):
    """An answer of the library."""

    offset: int


class Admin:
    """Keeps the questions, to be answered by the test."""

    def __init__(self) -> None:
        self.questions: list[dict[int, Future[Found]]] = []

    def list_offsets(self, places: Mapping[ck.TopicPartition, object], **_: object) -> dict[Any, Future[Found]]:
        asked = {place: Future[Found]() for place in places}
        self.questions.append({place.partition: answer for place, answer in asked.items()})
        return asked


@pytest.fixture
def admin() -> Admin:
    return Admin()


@pytest.fixture
def watch(admin: Admin) -> OffsetWatch:
    library: Any = admin
    return OffsetWatch(library, "raw", "end")


def test_an_answer_is_known_at_the_next_look(admin: Admin, watch: OffsetWatch) -> None:
    watch.look({0}, 10.0)
    assert watch.offset(0) is None
    admin.questions[0][0].set_result(Found(7))
    watch.look({0}, 10.1)
    assert watch.offset(0) == 7


def test_there_is_one_question_a_second_and_none_while_one_is_open(admin: Admin, watch: OffsetWatch) -> None:
    watch.look({0, 1}, 10.0)
    admin.questions[0][0].set_result(Found(7))
    watch.look({0, 1}, 20.0)
    assert len(admin.questions) == 1
    admin.questions[0][1].set_result(Found(8))
    watch.look({0, 1}, 20.1)
    watch.look({0, 1}, 20.9)
    assert len(admin.questions) == 2


def test_without_partitions_there_is_no_question(admin: Admin, watch: OffsetWatch) -> None:
    watch.look((), 10.0)
    assert admin.questions == []


def test_an_answer_is_as_old_as_its_question(admin: Admin, watch: OffsetWatch) -> None:
    watch.look({0}, 10.0)
    admin.questions[0][0].set_result(Found(7))
    watch.look({0}, 12.0)
    assert watch.offset(0, since_s=10.0) == 7
    assert watch.offset(0, since_s=11.0) is None


def test_without_an_answer_the_last_one_stands(admin: Admin, watch: OffsetWatch) -> None:
    watch.look({0}, 10.0)
    admin.questions[0][0].set_result(Found(7))
    watch.look({0}, 12.0)
    admin.questions[1][0].set_exception(ck.KafkaException(ck.KafkaError(ck.KafkaError._TIMED_OUT)))
    watch.look({0}, 14.0)
    assert watch.offset(0) == 7


def test_an_answer_to_what_was_asked_before_a_partition_was_forgotten_is_dropped(
    admin: Admin, watch: OffsetWatch
) -> None:
    watch.look({0}, 10.0)
    watch.forget({0})
    admin.questions[0][0].set_result(Found(7))
    watch.look({0}, 10.1)
    assert watch.offset(0) is None
