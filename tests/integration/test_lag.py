"""`lag` on a real broker: what it prints, and that it changes nothing."""

import json
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient

from deploy.kafka.broker import Broker
from tests.support.kafka_io import MakeTopics, Message, Topics, committed_offsets, consume_in_group, produce
from tests.support.stage import Stage
from tests.support.worker_process import ROOT, environment, set_environment
from worker.cli import main

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("logging_as_it_was")]

REVIEWS = [Message(b'{"text": "fine"}', partition=number % 2) for number in range(20)]


@pytest.fixture
def made(broker: Broker, topics: MakeTopics, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Topics of the test's own, which the environment names as a user's would."""
    made = topics(partitions=2)
    set_environment(
        monkeypatch, bootstrap_servers=broker.address, input_topic=made.input, group_id=f"group-of-{made.input}"
    )
    return made


def test_a_group_that_has_read_some_is_behind_by_the_rest(broker: Broker, made: Topics) -> None:
    group = f"group-of-{made.input}"
    produce(broker.address, made.input, REVIEWS)
    consume_in_group(broker.address, made.input, group=group, count=8)
    committed = committed_offsets(broker.address, group, made.input)
    result = CliRunner().invoke(main, ["lag", "--json"])
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
    result = CliRunner().invoke(main, ["lag"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"group group-of-{made.input}: 20 behind on {made.input}, 0 members"
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        assert f"group-of-{made.input}" not in str(admin.list_groups())


def test_a_running_worker_is_named_and_watched_until_it_has_caught_up(stage: Stage) -> None:
    worker = stage.start(group_instance_id="pod-1").until_ready()
    settings = {
        "bootstrap_servers": stage.address, "input_topic": stage.topics.input, "group_id": stage.group
    }  # fmt: skip
    command = [sys.executable, "-m", "worker", "lag", "--watch", "0.1", "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE) as process:
        assert process.stdout
        looks = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert [look["seconds_left"] for look in looks] == [None, 0.0]
    for look in looks:
        assert (look["members"], look["lag"]) == (1, 0)
        assert {each["member"].partition("@")[0] for each in look["partitions"]} == {"pod-1"}
    assert worker.stop() == 0


def test_a_topic_that_is_missing_ends_with_its_own_status(made: Topics) -> None:
    result = CliRunner().invoke(main, ["lag", "--input-topic", f"{made.input}.nowhere"])
    assert result.exit_code == 4
    assert result.stderr.startswith(f"sentiment-worker: {made.input}.nowhere: no such topic")
