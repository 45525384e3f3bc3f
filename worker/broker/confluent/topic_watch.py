"""Whether the topic that a consumer reads still exists, and is still the same one: it may be recreated."""

import time
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from worker.broker.confluent.errors import translate
from worker.broker.reading import METADATA_MAX_AGE_MS, Reading, TopicAbsence, topic_gone

_ASK_EVERY_S: Final = METADATA_MAX_AGE_MS / 1000
_ASK_AGAIN_S: Final = 0.5


class TopicWatch:
    """Asks the broker now and then, without waiting for the answers."""

    def __init__(self, admin: AdminClient, reading: Reading) -> None:
        self.answered_s = 0.0  # when the last answered question was asked, in monotonic seconds
        self._admin = admin
        self._topic = reading.topic
        self._needs = reading.needs
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
            self._asked_s, self._due_s = now_s, now_s + _ASK_EVERY_S
        if self._answer is None or not self._answer.done():
            return False
        answer, self._answer = self._answer, None
        try:
            topic_id = str(answer.result().topic_id)
        except KafkaException as exc:
            self._due_s = now_s + _ASK_AGAIN_S
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
        """Other errors say nothing about the topic: the broker is away, and its last answer stands."""
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._absence.topic_denied(topic_gone(self._topic))
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            self._absence.topic_denied(translate(error, f"reading {self._topic}", needs=self._needs))
