"""`replay` on a real broker."""

import json

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import Message, Topics, produce, read_all
from tests.worker.cli.runner import invoke

pytestmark = pytest.mark.broker


def test_replay_sends_dead_letters_of_a_reason_back_and_counts_them(broker: Broker, made: Topics) -> None:
    letter = (("sentiment-reason", b"unscorable"), ("sentiment-failed-at", b"2026-11-24T12:00:00+00:00"))
    produce(broker.address, made.dlq, [Message(b"{}", b"k", letter), Message(b"{}", b"other", (letter[0],))])
    arguments = ("replay", "--reason", "unscorable", "--since", "2026-11-24")
    assert json.loads(invoke(*arguments, "--dry-run", "--json").stdout) == {
        "sent": {"unscorable": 1},
        "left": {"of another time": 1},
        "dry_run": True,
        "sent_total": 1,
        "left_total": 1,
    }
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "sent 1: unscorable" in result.stderr
    assert "1 of 2 dead letters" in result.stderr
    (sent_back,) = read_all(broker.address, made.input)
    assert (sent_back.key, sent_back.headers) == (b"k", (("sentiment-replays", b"1"),))
    assert "0 of 0 dead letters" in invoke(*arguments).stderr
