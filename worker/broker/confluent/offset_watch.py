"""Where partitions begin or end, asked of the broker without waiting for the answers."""

import contextlib
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, Final, Literal

import confluent_kafka as ck
from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

_ASK_EVERY_S: Final = 1.0


class OffsetWatch:
    """Asks on a connection of its own; the times are monotonic seconds.

    The library ends a connection on which a question was not answered in time. On the consumer's connection this would
    discard the fetch under way, and a slow connection would never deliver anything.
    """

    def __init__(self, admin: AdminClient, topic: str, which: Literal["beginning", "end"]) -> None:
        self._admin = admin
        self._topic = topic
        self._spec: Any = (OffsetSpec.earliest if which == "beginning" else OffsetSpec.latest)()  # type: ignore[no-untyped-call]
        self._pending: dict[int, Future[Any]] = {}
        self._asked_s = 0.0
        self._due_s = 0.0
        self._answers: dict[int, tuple[float, int]] = {}  # when it was asked, and the offset

    def look(self, numbers: Collection[int], now_s: float) -> None:
        """Take the answers that have come; ask again, once a second at most."""
        if all(answer.done() for answer in self._pending.values()):
            self._take_answers()
            if numbers and now_s >= self._due_s:
                self._ask(numbers, now_s)

    def offset(self, number: int, *, since_s: float = 0.0) -> int | None:
        """Return the last answer; None if it was asked for before `since_s`."""
        asked_s, offset = self._answers.get(number, (0.0, None))
        return offset if asked_s >= since_s else None

    def forget(self, numbers: Collection[int]) -> None:
        """Drop the answers for these partitions."""
        for number in numbers:
            self._answers.pop(number, None)
            self._pending.pop(number, None)

    def _ask(self, numbers: Collection[int], now_s: float) -> None:
        self._asked_s, self._due_s = now_s, now_s + _ASK_EVERY_S
        answers = self._admin.list_offsets(
            {ck.TopicPartition(self._topic, number): self._spec for number in numbers},
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        self._pending = {place.partition: answer for place, answer in answers.items()}

    def _take_answers(self) -> None:
        """While the broker does not answer, the last offset stands."""
        pending, self._pending = self._pending, {}
        for number, answer in pending.items():
            with contextlib.suppress(KafkaException):
                self._answers[number] = self._asked_s, answer.result().offset
