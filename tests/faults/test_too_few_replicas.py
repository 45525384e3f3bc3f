"""Too few brokers have a copy of the output topic: its leader refuses what no other broker would hold."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaConnectionError
from kafka.structs import TopicPartition

from deploy.kafka.broker import Broker, WayClosed
from deploy.kafka.launcher import to_stderr
from deploy.kafka.local import LocalBroker
from deploy.kafka.ports import free_ports
from deploy.kafka.properties import Extras
from tests.conftest import USED
from tests.faults.pair import Pair
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import set_topic_config
from tests.support.stage import LONG, REVIEWS, MakeStage
from tests.support.traffic import reviews
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

FIRST, SECOND = 1, 2  # as the brokers are numbered
DELIVERY_TIMEOUT_MS = 3_000
NOTICED_S = 60.0
REPLAYS = "sentiment_replays_total"


@pytest.fixture
def leader(request: pytest.FixtureRequest) -> Iterator[LocalBroker]:
    """A process of this machine, never a container: clients and the other broker must find it at one address."""
    try:
        broker = LocalBroker(port=None, report=to_stderr)
    except WayClosed as closed:
        pytest.skip(f"two brokers of one cluster cannot run on this machine: {closed}")
    with broker:
        broker.start()
        request.config.stash.setdefault(USED, broker.description)
        yield broker


@pytest.fixture
def follower(leader: LocalBroker) -> Iterator[Broker]:
    """A second broker of the same cluster, not started yet: what is made before that is on the first one alone."""
    client_port, broker_port = free_ports(2)
    listeners = f"CLIENT://127.0.0.1:{client_port},BROKER://127.0.0.1:{broker_port}"
    joins = {
        "process.roles": "broker",
        "node.id": str(SECOND),
        "controller.quorum.voters": f"{FIRST}@{leader.controller}",
        "listeners": listeners,
        "advertised.listeners": listeners,
    }
    with LocalBroker(port=client_port, report=to_stderr, extras=Extras(settings=joins)) as broker:
        yield broker


def in_sync(address: str, topic: str) -> set[frozenset[int]]:
    """The brokers that have all of a partition, for each partition."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        [described] = admin.describe_topics([topic])
    return {frozenset(partition["isr_nodes"]) for partition in described["partitions"]}


def until_in_sync(address: str, topic: str, *brokers: int) -> None:
    """Wait until these brokers, and no other, have all partitions."""

    def told() -> bool:
        try:
            return in_sync(address, topic) == {frozenset(brokers)}
        except KafkaConnectionError:  # as long as the one that was killed is known, it may be the one that is asked
            return False

    until(told, NOTICED_S, f"{topic} is on {brokers}")


def replicate(address: str, topic: str) -> None:
    """Let the second broker have a copy, too, and the first take nothing from now on that the second does not."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        # The one that comes first leads.
        admin.alter_partition_reassignments({TopicPartition(topic, number): [FIRST, SECOND] for number in range(4)})
    set_topic_config(address, topic, "min.insync.replicas", "2")
    until_in_sync(address, topic, FIRST, SECOND)


def test_a_worker_waits_for_a_topic_with_too_few_replicas_and_loses_nothing(
    leader: LocalBroker, follower: Broker, make_stage: MakeStage
) -> None:
    """No offset is committed past a result that too few brokers have; exactly once, nothing is repeated."""
    pair = Pair.started(make_stage, leader.address, delivery_timeout_ms=DELIVERY_TIMEOUT_MS)
    follower.start()
    for stage in pair.stages:
        replicate(leader.address, stage.topics.output)
    backlog = reviews(seed=1, words=LONG)
    before = pair.interrupted(backlog, REVIEWS)
    follower.kill()
    for stage in pair.stages:
        until_in_sync(leader.address, stage.topics.output, FIRST)
        stage.traffic.send(islice(backlog, 100))  # the backlog may have been answered before the broker was killed
    at_least, worker = pair.stages[0], pair.workers[0]
    replays = worker.metric(REPLAYS)
    until(lambda: worker.metric(REPLAYS) > replays, NOTICED_S, "a result that was refused is given up")
    assert pair.alive()
    # Exactly once this says nothing yet: a transaction that is decided shows its offsets before all of its results.
    assert at_least.faults_so_far(begun_again=[before] * int(worker.metric(REPLAYS))) == []
    follower.start()
    pair.until_answered()
    assert pair.finish(since=before) == []
