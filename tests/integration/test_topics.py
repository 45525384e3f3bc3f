"""Topics that do not have the partitions of the input."""

from itertools import islice
from uuid import uuid4

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import Message, Topics, create_topics
from tests.support.stage import MakeStage
from tests.support.traffic import reviews

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
