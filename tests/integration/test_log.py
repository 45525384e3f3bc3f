"""What a worker logs from its start to its end."""

import json
from itertools import islice

import pytest

from tests.support.kafka_io import Message
from tests.support.stage import Stage
from tests.support.traffic import reviews
from worker import __version__

pytestmark = pytest.mark.broker


def test_the_log_is_json_and_says_at_start_what_the_worker_will_do(stage: Stage) -> None:
    bad = Message(
        b"no review",
        key=b"bad",
        partition=0,
        headers=(("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),),
    )
    stage.traffic.send([*islice(reviews(seed=1), 10), bad])
    worker = stage.start(until_empty=True, max_batch_reviews=64)
    assert worker.exit_status() == 0
    events = {event["event"]: event for event in map(json.loads, worker.log().splitlines())}
    starting = events["starting"]
    expected = {
        "version": __version__,
        "input": stage.topics.input,
        "output": stage.topics.output,
        "dead_letters": stage.topics.dlq,
        "group": stage.group,
        "delivery": "at_least_once",
        "model": "tiny@1",
        "max_batch_reviews": 64,
    }
    assert {name: starting[name] for name in expected} == expected
    assert starting["engine"].endswith("1 threads")
    assert starting["why"].startswith("the fastest available")
    assert starting["tokenizer"].startswith(("native", "Python"))
    assert events["dead letter"]["trace_id"] == "a" * 32
