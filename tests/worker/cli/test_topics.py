"""`topics` on a real broker, and what other commands say of a topic that does not exist."""

import json

import pytest

from tests.support.kafka_io import Topics
from tests.worker.cli.runner import invoke

pytestmark = pytest.mark.broker


def test_topics_creates_what_is_missing_and_keeps_what_exists(made: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DLQ_TOPIC", f"{made.dlq}.new")
    counts = {made.input: 2, made.output: 2, f"{made.dlq}.new": 3}
    for _ in range(2):
        result = invoke("topics", "--partitions", "3")
        assert result.exit_code == 0
        assert set(result.stdout.splitlines()) == {f"{name}: {count} partitions" for name, count in counts.items()}
    assert json.loads(invoke("topics", "--json").stdout) == counts


@pytest.mark.parametrize("command", [("produce", "--topic"), ("tail", "--topic"), ("lag", "--input-topic")])
def test_a_topic_that_does_not_exist_is_reported_in_one_line(made: Topics, command: tuple[str, str]) -> None:
    result = invoke(*command, f"{made.input}.nowhere")
    assert result.exit_code == 4
    assert result.stderr.startswith(f"sentiment-worker: {made.input}.nowhere: no such topic")
    assert result.stderr.count("\n") == 1
