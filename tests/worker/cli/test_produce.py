"""`produce` on a real broker."""

import json
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import Topics, read_all
from tests.worker.cli.runner import invoke
from worker.broker.clients import CLIENTS

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("client", CLIENTS)
def test_produce_publishes_lines_unchanged_under_their_ids(
    broker: Broker, made: Topics, tmp_path: Path, client: str
) -> None:
    lines = [f'{{"review_id": "r-{number}",  "text": "a", "label": 1}}' for number in range(1000)]
    source = tmp_path / "r.jsonl"
    source.write_text("\n".join(lines))
    result = invoke("produce", "--input", str(source), "--client", client)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"published 1000 reviews to {made.input} in ")
    stored = read_all(broker.address, made.input)
    assert sorted((each.key, each.value) for each in stored) == sorted(
        (f"r-{number}".encode(), line.encode()) for number, line in enumerate(lines)
    )
    assert len({each.partition for each in stored}) == 2


def test_produce_takes_another_topic_key_rate_and_limit(broker: Broker, made: Topics, tmp_path: Path) -> None:
    source = tmp_path / "r.csv"
    source.write_text("text,product_id\na,p-1\nb,\nc,p-3\n")
    flags = ["--topic", made.dlq, "--key-field", "product_id", "--rate", "1000", "--limit", "2"]
    assert invoke("produce", "--input", str(source), *flags).exit_code == 0
    stored = {each.key: json.loads(each.value or b"") for each in read_all(broker.address, made.dlq)}
    assert stored == {b"p-1": {"text": "a", "product_id": "p-1"}, None: {"text": "b"}}
    assert read_all(broker.address, made.input) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_produce_reports_what_was_not_published_and_fails(
    broker: Broker, made: Topics, tmp_path: Path, client: str
) -> None:
    """A row that is not a review, and one that the broker rejects; and the summary as JSON."""
    source = tmp_path / "r.jsonl"
    huge = json.dumps({"text": "x" * 15_000_000})
    source.write_text(f'{{"text": "a"}}\nnot json\n{huge}\n{{"text": "b"}}\n')
    result = invoke("produce", "--input", str(source), "--client", client, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout).items() >= {"published": 2, "failed": 2, "topic": made.input}.items()
    assert f"{source}:2: invalid_json" in result.stderr
    assert f"{source}:3: not stored: " in result.stderr
    assert "rows that failed: 2" in result.stderr
    stored = {each.value for each in read_all(broker.address, made.input)}  # the rejection may have doubled one
    assert stored == {b'{"text": "a"}', b'{"text": "b"}'}
