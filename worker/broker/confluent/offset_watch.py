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
    """Asks on a connection of its own; the times are monotonic.

    The library ends a connection on which a question was not answered in the time that it was given. On that of the
    consumer this would throw away what is being fetched, and a slow connection would never bring anything.
    """

    def __init__(self, admin: AdminClient, topic: str, which: Literal["beginning", "end"]) -> None:
        self._admin = admin
        self._topic = topic
        self._spec: Any = (OffsetSpec.earliest if which == "beginning" else OffsetSpec.latest)()  # type: ignore[no-untyped-call]
        self._asked: dict[int, Future[Any]] = {}
        self._asked_s = 0.0
        self._due_s = 0.0
        self._answers: dict[int, tuple[float, int]] = {}  # when it was asked, and the offset

    def look(self, numbers: Collection[int], now_s: float) -> None:
        """Take the answers that have come; ask anew, once a second at most."""
        if all(asked.done() for asked in self._asked.values()):
            self._take()
            if numbers and now_s >= self._due_s:
                self._ask(numbers, now_s)

    def offset(self, number: int, *, since_s: float = 0.0) -> int | None:
        """The last answer, unless it was asked for before `since_s`."""
        asked_s, offset = self._answers.get(number, (0.0, None))
        return offset if asked_s >= since_s else None

    def forget(self, numbers: Collection[int]) -> None:
        """Drop the answers of these partitions."""
        for number in numbers:
            self._answers.pop(number, None)
            self._asked.pop(number, None)

    def _ask(self, numbers: Collection[int], now_s: float) -> None:
        self._asked_s, self._due_s = now_s, now_s + _ASK_EVERY_S
        asked = self._admin.list_offsets(
            {ck.TopicPartition(self._topic, number): self._spec for number in numbers},
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        self._asked = {place.partition: answer for place, answer in asked.items()}

    def _take(self) -> None:
        """While the broker does not tell, the last answer stands."""
        asked, self._asked = self._asked, {}
        for number, answer in asked.items():
            with contextlib.suppress(KafkaException):
                self._answers[number] = self._asked_s, answer.result().offset
