"""`produce` and `tail` on a real broker."""

import json
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient

from deploy.kafka.broker import Broker
from tests.support.kafka_io import MakeTopics, Message, Topics, produce, read_all
from tests.support.worker_process import set_environment
from worker.cli import main
from worker.wire.scored import Model, Score, ScoredReview, encode_scored

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("logging_as_it_was")]

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0


@pytest.fixture
def made(broker: Broker, topics: MakeTopics, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Topics of the test's own, which the environment names as a user's would."""
    made = topics(partitions=2)
    set_environment(monkeypatch, bootstrap_servers=broker.address, input_topic=made.input, output_topic=made.output)
    return made


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def scored(review_id: str, probability: float, *, out_of_domain: bool = False) -> bytes:
    model = Model(name="m", version="1", sha256="00")
    return encode_scored(
        ScoredReview.of(
            review_id=review_id,
            score=Score(probability, tokens=3, truncated=False, out_of_domain=out_of_domain),
            model=model,
            scored_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
    )


def test_produce_publishes_lines_as_they_stand_under_their_ids(broker: Broker, made: Topics, tmp_path: Path) -> None:
    lines = [f'{{"review_id": "r-{number}",  "text": "a", "label": 1}}' for number in range(1000)]
    source = tmp_path / "r.jsonl"
    source.write_text("\n".join(lines))
    result = invoke("produce", "--input", str(source))
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


def test_produce_tells_what_was_not_published_and_fails(broker: Broker, made: Topics, tmp_path: Path) -> None:
    """A row that is no review, and one that the broker refuses."""
    source = tmp_path / "r.jsonl"
    huge = json.dumps({"text": "x" * 15_000_000})
    source.write_text(f'{{"text": "a"}}\nnot json\n{huge}\n{{"text": "b"}}\n')
    result = invoke("produce", "--input", str(source))
    assert result.exit_code == 1
    assert f"{source}:2: invalid_json" in result.stderr
    assert f"{source}:3: not stored: " in result.stderr
    assert "rows that failed: 2" in result.stderr
    stored = {each.value for each in read_all(broker.address, made.input)}  # the refusal may have doubled one
    assert stored == {b'{"text": "a"}', b'{"text": "b"}'}


@pytest.mark.parametrize("command", ["produce", "tail"])
def test_a_topic_that_does_not_exist_is_one_line(made: Topics, command: str) -> None:
    result = invoke(command, "--topic", f"{made.input}.nowhere")
    assert result.exit_code == 4
    assert result.stderr.startswith(f"sentiment-worker: {made.input}.nowhere: no such topic")
    assert result.stderr.count("\n") == 1


def test_tail_from_the_beginning_prints_a_line_for_each_result(broker: Broker, made: Topics) -> None:
    values = [
        scored("r-1", 0.981),
        scored("evil\x1b[2J", 0.25),
        b"not a result",
        None,
        scored("r-2", 0.5, out_of_domain=True),
    ]
    produce(broker.address, made.output, [Message(value, b"key", partition=0) for value in values])
    result = invoke("tail", "--from-beginning", "--limit", "5")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "03:04:05  positive  0.981   98%  r-1",
        "03:04:05  negative  0.250   75%  'evil\\x1b[2J'",
        f"unreadable  {made.output}-0-2 is not a scored review",
        "deleted   key",
        "03:04:05  positive  0.500   50%  r-2  out of domain",
    ]
    assert result.stderr == f"reading {made.output} from its beginning\n"


def test_tail_as_json_prints_the_values_as_they_are(broker: Broker, made: Topics) -> None:
    values = [scored("r-1", 0.9), scored("r-2", 0.1)]
    produce(broker.address, made.output, [Message(value, partition=1) for value in values])
    result = invoke("tail", "--from-beginning", "--limit", "2", "--json")
    assert result.stdout_bytes.splitlines() == values


def test_tail_shows_what_comes_after_its_start_until_interrupted_and_joins_no_group(
    broker: Broker, made: Topics
) -> None:
    produce(broker.address, made.output, [Message(scored("old", 0.9), partition=number) for number in (0, 1)])
    groups = group_names(broker)
    command = [sys.executable, "-m", "worker", "tail", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline().startswith(b"reading ")
        for number in (0, 1):
            produce(broker.address, made.output, [Message(scored(f"new-{number}", 0.9), partition=number)])
            assert ScoredReview.model_validate_json(process.stdout.readline()).review_id == f"new-{number}"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0
        assert process.stderr.read() == b""
    assert group_names(broker) == groups


def group_names(broker: Broker) -> set[str]:
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        return {group["group_id"] for group in admin.list_groups()}


# topics


def test_topics_creates_what_is_missing_and_leaves_what_is_there(made: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DLQ_TOPIC", f"{made.dlq}.new")
    for _ in range(2):
        result = invoke("topics", "--partitions", "3")
        assert result.exit_code == 0
        assert sorted(result.stdout.splitlines()) == sorted(
            [f"{made.input}: 2 partitions", f"{made.output}: 2 partitions", f"{made.dlq}.new: 3 partitions"]
        )


def test_topics_produce_and_replay_tell_scripts_in_json(
    made: Topics, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENTIMENT_DLQ_TOPIC", made.dlq)
    monkeypatch.setenv("SENTIMENT_GROUP_ID", made.input)
    assert json.loads(invoke("topics", "--json").stdout) == dict.fromkeys(made.names(), 2)
    (tmp_path / "r.jsonl").write_text('{"text": "a"}\nnot json\n')
    published = json.loads(invoke("produce", "--input", str(tmp_path / "r.jsonl"), "--json").stdout)
    assert (published["published"], published["failed"], published["topic"]) == (1, 1, made.input)
    replayed = json.loads(invoke("replay", "--dry-run", "--json").stdout)
    assert replayed == {"sent": {}, "left": {}, "dry_run": True, "sent_total": 0, "left_total": 0}


# replay


def test_replay_sends_dead_letters_of_a_reason_back_and_counts_them(
    broker: Broker, made: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIMENT_DLQ_TOPIC", made.dlq)
    monkeypatch.setenv("SENTIMENT_GROUP_ID", made.input)
    letter = (("sentiment-reason", b"unscorable"), ("sentiment-failed-at", b"2026-11-24T12:00:00+00:00"))
    produce(broker.address, made.dlq, [Message(b"{}", b"k", letter), Message(b"{}", b"other", (letter[0],))])
    arguments = ("replay", "--reason", "unscorable", "--since", "2026-11-24")
    assert "1 of 2 dead letters" in invoke(*arguments, "--dry-run").stderr
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "sent 1: unscorable" in result.stderr
    (sent_back,) = read_all(broker.address, made.input)
    assert (sent_back.key, sent_back.headers) == (b"k", (("sentiment-replays", b"1"),))
    assert "0 of 0 dead letters" in invoke(*arguments).stderr
