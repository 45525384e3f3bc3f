"""What changes on the broker without a fetch reporting it: asked without waiting for the answers.

Watches ask on a connection of their own. The library ends a connection on which a question was not answered in time: on
the consumer's this would discard the fetch under way, and a slow connection would never deliver anything.
"""

import contextlib
import time
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, Final, Literal

import confluent_kafka as ck
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from worker.broker.confluent.errors import translate
from worker.broker.reading import METADATA_MAX_AGE_MS, Subscription, TopicAbsence, topic_gone

_TOPIC_EVERY_S: Final = METADATA_MAX_AGE_MS / 1000
_TOPIC_AGAIN_S: Final = 0.5
_OFFSETS_EVERY_S: Final = 1.0


class TopicWatch:
    """Whether the topic still exists, and is still the same one."""

    def __init__(self, admin: AdminClient, subscription: Subscription) -> None:
        self.answered_s = 0.0  # when the last answered question was asked, in monotonic seconds
        self._admin = admin
        self._topic = subscription.topic
        self._needs = subscription.needs
        self._absence = TopicAbsence()
        self._answer: Future[Any] | None = None
        self._asked_s = 0.0
        self._due_s = 0.0
        self._id: str | None = None

    def hurry(self) -> None:
        """Ask at the next occasion: something is odd."""
        self._due_s = min(self._due_s, time.monotonic())

    def was_recreated(self) -> bool:
        """Whether another topic of this name was seen since the last call."""
        now_s = time.monotonic()
        if self._answer is None and now_s >= self._due_s:
            self._answer = self._admin.describe_topics(TopicCollection([self._topic]))[self._topic]
            self._asked_s, self._due_s = now_s, now_s + _TOPIC_EVERY_S
        if self._answer is None or not self._answer.done():
            return False
        answer, self._answer = self._answer, None
        try:
            topic_id = str(answer.result().topic_id)
        except KafkaException as exc:
            self._due_s = now_s + _TOPIC_AGAIN_S
            self._note_denial(exc.args[0])
            return False
        self.answered_s = self._asked_s
        self._absence.topic_seen()
        before, self._id = self._id, topic_id
        return before not in (None, topic_id)

    def refuse_if_gone(self) -> None:
        """Raise TopicMissing or AccessDenied once the cluster has denied the topic for a while."""
        self._absence.raise_if_gone()

    def _note_denial(self, error: KafkaError) -> None:
        """Other errors say nothing about the topic: the broker is away, and its last answer remains valid."""
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._absence.topic_denied(topic_gone(self._topic))
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            self._absence.topic_denied(translate(error, f"reading {self._topic}", needs=self._needs))


class OffsetWatch:
    """Where partitions begin or end. Times are monotonic seconds."""

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
        self._asked_s, self._due_s = now_s, now_s + _OFFSETS_EVERY_S
        answers = self._admin.list_offsets(
            {ck.TopicPartition(self._topic, number): self._spec for number in numbers},
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        self._pending = {place.partition: answer for place, answer in answers.items()}

    def _take_answers(self) -> None:
        """While the broker does not answer, the last offset remains valid."""
        pending, self._pending = self._pending, {}
        for number, answer in pending.items():
            with contextlib.suppress(KafkaException):
                self._answers[number] = self._asked_s, answer.result().offset
