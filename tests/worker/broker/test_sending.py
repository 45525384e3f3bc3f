"""What every sink of a client does around its library: one failure ends it, and a flush opens it again."""

import pytest

from worker.broker.connection import Connection
from worker.broker.contract import Outgoing
from worker.broker.deadline import Deadline
from worker.broker.receipts import Sent
from worker.broker.sending import ClientSink, opener
from worker.errors import AccessDenied, BrokerRefused, BrokerUnavailable, BrokerUnreachable, DeliveryFailed, WorkerError

MESSAGE = Outgoing("scored", b"k", b"v")


class Library(ClientSink):
    """A sink whose library does what a test says."""

    def __init__(self) -> None:
        super().__init__(Connection("localhost:1"), None)
        self.opened = 0
        self.sent: list[Sent] = []
        self.unaccepted: WorkerError | None = None
        self.refusal: WorkerError | None = None
        self._open()

    def _open(self) -> None:
        self.opened += 1
        self._ended = False

    def _hand_over(self, message: Outgoing, receipt: Sent) -> WorkerError | None:
        if self.unaccepted is not None:
            return self._unusable_topic(message.topic, self.unaccepted)
        self.sent.append(receipt)
        return None

    def _refusal(self, topic: str) -> WorkerError | None:  # noqa: ARG002
        return self.refusal

    def _serve(self) -> None:
        """Nothing to ask."""

    def _wait(self, deadline: Deadline) -> None:
        assert deadline.left_s > 0
        self.sent.pop().settle(None)

    def _stop_sending(self) -> None:
        """Nothing to stop."""

    def _shut_down(self) -> None:
        for receipt in self.sent:
            receipt.settle(DeliveryFailed("given up"))


@pytest.fixture
def sink() -> Library:
    return Library()


def test_after_a_failure_nothing_is_sent_until_a_flush(sink: Library) -> None:
    sink.unaccepted = BrokerUnavailable("no answer")
    assert isinstance(sink.send(MESSAGE).error, DeliveryFailed)
    sink.unaccepted = None
    later = sink.send(MESSAGE._replace(topic="dlq"))
    assert str(later.error) == "a message to dlq was not sent: another one failed before it"
    sink.flush(timeout_s=1)
    assert sink.opened == 2
    assert not sink.send(MESSAGE._replace(topic="dlq")).done


def test_the_reason_of_a_topic_is_remembered_for_the_rest_of_a_batch(sink: Library) -> None:
    sink.unaccepted = AccessDenied("no")
    first = sink.send(MESSAGE)
    sink.unaccepted = None
    assert sink.send(MESSAGE).error is first.error


def test_a_refused_client_refuses_every_message(sink: Library) -> None:
    sink.refusal = AccessDenied("wrong password")
    assert sink.send(MESSAGE).error is sink.refusal
    assert sink.sent == []


def test_a_refusal_that_comes_while_a_message_is_handed_over_settles_it(
    sink: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = AccessDenied("wrong password")
    monkeypatch.setattr(sink, "_hand_over", lambda *_: setattr(sink, "refusal", refusal))
    assert sink.send(MESSAGE).error is refusal


def test_a_flush_raises_what_is_without_an_answer(sink: Library) -> None:
    sink.send(MESSAGE)
    for limits in ({"timeout_s": 0.0}, {"timeout_s": 60.0, "hurried": lambda: True}):
        with pytest.raises(BrokerUnavailable, match="1 messages are without an answer"):
            sink.flush(**limits)
    sink.flush(timeout_s=1)
    assert sink.opened == 1, "nothing failed"


def test_a_message_with_neither_key_nor_value_is_refused(sink: Library) -> None:
    assert isinstance(sink.send(Outgoing("scored", None, None)).error, BrokerRefused)


def test_no_answer_is_fatal_until_a_sink_was_opened_once() -> None:
    answers = [BrokerUnavailable("no answer"), None, BrokerUnavailable("no answer")]
    settings = []

    def open_sink(*_: object, **given: object) -> str:
        settings.append(given)
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return "sink"

    open_next = opener(open_sink, Connection("localhost:1"), delivery_timeout_ms=5)
    with pytest.raises(BrokerUnreachable, match="no answer"):
        open_next()
    assert open_next() == "sink"
    with pytest.raises(BrokerUnavailable):
        open_next()
    assert settings == [{"delivery_timeout_ms": 5, "learned": {}}] * 3
    assert settings[0]["learned"] is settings[2]["learned"]
