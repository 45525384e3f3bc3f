"""The connections between worker and broker are cut, slow, or lead nowhere, while the broker itself is well."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import open_broker
from tests.support.kafka_io import new_topics
from tests.support.proxy import END_TXN, OFFSET_COMMIT, Proxy
from tests.support.stage import SESSION_TIMEOUT_MS, MakeStage, Stage
from tests.support.traffic import reviews
from tests.support.until import let_pass

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])]

RETURN_LIMIT_S = 90.0
CUTS = 10


@pytest.fixture(scope="module")
def behind_a_proxy(request: pytest.FixtureRequest) -> Iterator[tuple[Broker, Proxy]]:
    """A broker with a second door, and the proxy that stands before it."""
    with Proxy() as proxy, open_broker(request.config, own=True, proxy=proxy.address) as broker:
        proxy.target = broker.proxied_address
        yield broker, proxy


@pytest.fixture
def proxy(behind_a_proxy: tuple[Broker, Proxy]) -> Iterator[Proxy]:
    """The proxy, good as new."""
    _, proxy = behind_a_proxy
    yield proxy
    proxy.heal()


@pytest.fixture
def stage(behind_a_proxy: tuple[Broker, Proxy], proxy: Proxy, make_stage: MakeStage, delivery: str) -> Stage:
    """Workers come in by the proxy, the oracle does not."""
    address = behind_a_proxy[0].address
    return make_stage(address, new_topics(address), bootstrap_servers=proxy.address, delivery=delivery)


def reached(stage: Stage, goal: int) -> bool:
    return stage.traffic.answered() >= goal


def test_connections_that_are_cut_again_and_again_cost_nothing(stage: Stage, proxy: Proxy) -> None:
    backlog = reviews(seed=1)
    worker = stage.start().until_ready()
    for _ in range(CUTS):
        goal = stage.traffic.answered() + 50
        stage.traffic.load_until(partial(reached, stage, goal), backlog, f"{goal} results", most=10**9)
        assert proxy.cut() >= 2, "the worker has a connection for reading and one for writing"
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert worker.metric("sentiment_replays_total") == 0
    assert worker.stop() == 0
    assert stage.faults() == []


def test_a_network_that_swallows_everything_for_longer_than_a_session_is_waited_for(
    stage: Stage, proxy: Proxy, delivery: str
) -> None:
    worker = stage.start(delivery_timeout_ms=5_000).until_ready()
    stage.traffic.send(islice(reviews(seed=2, words=300), 2000))
    stage.traffic.until_answered(200)
    before = stage.committed()
    proxy.black_hole()
    let_pass(2 * SESSION_TIMEOUT_MS / 1000)
    assert worker.get("/livez")[0] == 200
    proxy.heal()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert worker.stop() == 0
    assert stage.faults(begun_again=[before] if delivery == "at_least_once" else []) == []


def test_a_slow_connection_costs_time_and_nothing_else(stage: Stage, proxy: Proxy) -> None:
    worker = stage.start().until_ready()
    proxy.slow(latency_s=0.15, bytes_per_s=40_000)
    stage.traffic.send(islice(reviews(seed=3), 400))
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert worker.metric("sentiment_replays_total") == 0
    assert worker.stop() == 0
    assert stage.faults() == []


@pytest.mark.parametrize("answered", [False, True], ids=["before-it-arrives", "before-the-answer"])
def test_a_connection_that_is_cut_in_the_middle_of_a_commit_repeats_nothing(
    stage: Stage, proxy: Proxy, answered: bool, delivery: str
) -> None:
    """Of a commit that was not answered nobody knows whether it is stored: the committed offsets tell."""
    worker = stage.start().until_ready()
    backlog = reviews(seed=4)
    proxy.sever(END_TXN if delivery == "exactly_once" else OFFSET_COMMIT, answered=answered)
    already = proxy.severed
    stage.traffic.load_until(lambda: proxy.severed >= already + 3, backlog, "three commits are cut", most=10**9)
    proxy.heal()
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    assert worker.stop() == 0
    assert stage.faults() == []
