"""`tail` on a real broker."""

import signal
from datetime import UTC, datetime

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import Message, Topics, group_names, produce
from tests.worker.cli.runner import LIMIT_S, invoke, start
from worker.wire.scored import Model, Score, ScoredReview, encode_scored

pytestmark = pytest.mark.broker


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


def test_tail_as_json_prints_the_values_unchanged(broker: Broker, made: Topics) -> None:
    values = [scored("r-1", 0.9), scored("r-2", 0.1)]
    produce(broker.address, made.output, [Message(value, partition=1) for value in values])
    result = invoke("tail", "--from-beginning", "--limit", "2", "--json")
    assert result.stdout_bytes.splitlines() == values


def test_tail_shows_what_is_stored_after_its_start_until_interrupted_and_joins_no_group(
    broker: Broker, made: Topics
) -> None:
    produce(broker.address, made.output, [Message(scored("old", 0.9), partition=number) for number in (0, 1)])
    groups = group_names(broker.address)
    with start("tail", "--json") as process:
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline().startswith(b"reading ")
        for number in (0, 1):
            produce(broker.address, made.output, [Message(scored(f"new-{number}", 0.9), partition=number)])
            assert ScoredReview.model_validate_json(process.stdout.readline()).review_id == f"new-{number}"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0
        assert process.stderr.read() == b""
    assert group_names(broker.address) == groups
