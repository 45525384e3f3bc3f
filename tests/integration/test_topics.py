"""Topics that the command creates, and topics with other partition counts than the input."""

from itertools import islice
from uuid import uuid4

import pytest
from click.testing import CliRunner

from deploy.kafka.broker import Broker
from tests.support.kafka_io import MAX_MESSAGE_BYTES, Message, Topics, create_topics
from tests.support.stage import MakeStage
from tests.support.traffic import reviews
from tests.support.worker_process import set_environment
from worker.cli import main

pytestmark = pytest.mark.broker


def test_where_partitions_differ_the_key_decides_and_its_results_stay_together_in_order(
    broker: Broker, make_stage: MakeStage
) -> None:
    tag = uuid4().hex[:8]
    topics = Topics(f"four.{tag}", f"seven.{tag}", f"one.{tag}")
    for name, partitions in zip(topics.names(), (4, 7, 1), strict=True):
        create_topics(broker.address, [name], partitions=partitions)
    stage = make_stage(broker.address, topics)

    bad = [Message(b"no review", key=b"bad", partition=number % 4) for number in range(10)]
    without_key = [message._replace(key=None) for message in islice(reviews(seed=1), 40)]
    stage.traffic.send([*islice(reviews(seed=2), 400), *bad, *without_key])
    assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults(keeps_partition=False) == []
    assert len({result.place.partition for result in stage.traffic.results if result.topic == topics.output}) > 4


def test_the_largest_record_that_the_input_takes_can_be_buried_where_the_command_made_the_topics(
    broker: Broker, make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead letter is larger than its record, because it has more headers."""
    tag = uuid4().hex[:8]
    topics = Topics(f"raw.{tag}", f"scored.{tag}", f"dlq.{tag}")
    names = {"input_topic": topics.input, "output_topic": topics.output, "dlq_topic": topics.dlq}
    set_environment(monkeypatch, bootstrap_servers=broker.address, **names)
    assert CliRunner().invoke(main, ["topics"]).exit_code == 0
    stage = make_stage(broker.address, topics)
    largest = Message(b"x" * (MAX_MESSAGE_BYTES - 200), key=b"k", partition=0)
    stage.traffic.send([*islice(reviews(seed=3), 20), largest, *islice(reviews(seed=4), 20)])
    assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults() == []
