"""`topics` on a real broker."""

import json

import pytest

from tests.support.kafka_io import Topics
from tests.worker.cli.runner import invoke

pytestmark = pytest.mark.broker


def test_topics_creates_what_is_missing_and_keeps_what_exists(made: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DLQ_TOPIC", f"{made.dlq}.new")
    for _ in range(2):
        result = invoke("topics", "--partitions", "3")
        assert result.exit_code == 0
        assert sorted(result.stdout.splitlines()) == sorted(
            [f"{made.input}: 2 partitions", f"{made.output}: 2 partitions", f"{made.dlq}.new: 3 partitions"]
        )


def test_topics_prints_json(made: Topics) -> None:
    assert json.loads(invoke("topics", "--json").stdout) == dict.fromkeys(made.names(), 2)
