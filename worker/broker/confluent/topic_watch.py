"""Whether a topic is still there, and still the same: the one that a consumer reads may be deleted and made anew."""

from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from worker.broker.confluent.errors import told
from worker.broker.kafka_python.errors import Needs
from worker.errors import TopicMissing

_ASK_EVERY_S: Final = 10.0  # how late a topic that was made anew may be seen
_ASK_AGAIN_S: Final = 0.5
_GONE_S: Final = 5.0  # for so long the cluster must deny the topic before we believe it
_DENIALS: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED)


class TopicWatch:
    """Asks now and then, without waiting for the answers. The time is monotonic."""

    def __init__(self, admin: AdminClient, topic: str, needs: Needs) -> None:
        self._admin = admin
        self._topic = topic
        self._needs = needs
        self._asked: Future[Any] | None = None
        self._asked_s = 0.0
        self._due_s = 0.0
        self._id: str | None = None
        self._denial: KafkaError | None = None
        self._denied_since_s = 0.0
        self.answered_s = 0.0  # when the question was asked that was answered last

    def hurry(self, now_s: float) -> None:
        """Ask soon: something is odd."""
        self._due_s = min(self._due_s, now_s)

    def is_another(self, now_s: float) -> bool:
        """Whether another topic of this name has been seen since the last call."""
        if self._asked is None and now_s >= self._due_s:
            self._asked = self._admin.describe_topics(TopicCollection([self._topic]))[self._topic]
            self._asked_s, self._due_s = now_s, now_s + _ASK_EVERY_S
        if self._asked is None or not self._asked.done():
            return False
        asked, self._asked = self._asked, None
        try:
            topic_id = str(asked.result().topic_id)
        except KafkaException as exc:
            self._deny(exc.args[0], now_s)
            return False
        self.answered_s = self._asked_s
        self._denial = None
        before, self._id = self._id, topic_id
        return before not in (None, topic_id)

    def refuse_if_gone(self, now_s: float) -> None:
        """Raise TopicMissing or AccessDenied once the cluster has said so for a while."""
        if self._denial is None or now_s - self._denied_since_s < _GONE_S:
            return
        if self._denial.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise TopicMissing(f"topic {self._topic} does not exist (any more). Create it and start the worker again")
        raise told(self._denial, f"reading {self._topic}", needs=self._needs)

    def _deny(self, error: KafkaError, now_s: float) -> None:
        """Nobody says anything of the topic while the broker is away: what was said before stands."""
        self._due_s = now_s + _ASK_AGAIN_S
        if error.code() in _DENIALS:
            if self._denial is None:
                self._denied_since_s = now_s
            self._denial = error
