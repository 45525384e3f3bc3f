"""`lag` on a real broker: what it prints, and that it changes nothing."""

import json
import signal

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import Message, Topics, committed_offsets, consume_in_group, group_names, produce
from tests.support.stage import Stage
from tests.worker.cli.runner import LIMIT_S, invoke, start

pytestmark = pytest.mark.broker

REVIEWS = [Message(b'{"text": "fine"}', partition=number % 2) for number in range(20)]


def test_a_group_that_has_read_some_is_behind_by_the_rest(broker: Broker, made: Topics) -> None:
    group = made.input
    produce(broker.address, made.input, REVIEWS)
    consume_in_group(broker.address, made.input, group=group, count=8)
    committed = committed_offsets(broker.address, group, made.input)
    result = invoke("lag", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["group"], shown["topic"], shown["lag"]) == (group, made.input, 12)
    assert {each["partition"]: each["committed"] for each in shown["partitions"]} == {
        number: committed.get(number) for number in (0, 1)
    }
    assert [each["end"] for each in shown["partitions"]] == [10, 10]
    assert committed_offsets(broker.address, group, made.input) == committed


def test_a_group_that_never_existed_is_behind_by_everything_and_is_not_created(broker: Broker, made: Topics) -> None:
    produce(broker.address, made.input, REVIEWS)
    result = invoke("lag")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"group {made.input}: 20 behind on {made.input}, 0 members"
    assert made.input not in group_names(broker.address)


def test_a_running_worker_is_named_and_watched_until_it_has_caught_up(stage: Stage) -> None:
    worker = stage.start(group_instance_id="pod-1").until_ready()
    place = ("--bootstrap-servers", stage.address, "--input-topic", stage.topics.input, "--group-id", stage.group)
    with start("lag", "--watch", "0.1", "--json", *place) as process:
        assert process.stdout
        looks = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0
    assert [look["seconds_left"] for look in looks] == [None, 0.0]
    for look in looks:
        assert (look["members"], look["lag"]) == (1, 0)
        assert {each["member"].partition("@")[0] for each in look["partitions"]} == {"pod-1"}
    assert worker.stop() == 0
