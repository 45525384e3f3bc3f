"""The connections between worker and broker are cut, slow, or lead nowhere, while the broker itself is well."""

import socket
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.ports import free_ports
from deploy.kafka.properties import Extras, Listener
from deploy.kafka.readiness import serves
from tests.conftest import open_broker
from tests.faults.pair import Pair
from tests.support.broken_engine import BROKEN
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.deployment import CLOSING_S
from tests.support.proxy import END_TXN, OFFSET_COMMIT, Proxy
from tests.support.stage import SESSION_TIMEOUT_MS, MakeStage
from tests.support.strained import IMPATIENT
from tests.support.traffic import around, reviews
from tests.support.until import let_pass, until

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("client", SECOND_AT_NIGHT)]

OPEN_LIMIT_S = 60.0
CUTS = 10
DRAIN_S = 2.0


@pytest.fixture(scope="module")
def behind_a_proxy(request: pytest.FixtureRequest) -> Iterator[tuple[Broker, Proxy]]:
    """A broker with a second door, and the proxy that stands before it."""
    with Proxy() as proxy:
        [port] = free_ports(1)
        proxy.target = f"127.0.0.1:{port}"
        behind = Extras((Listener("PROXIED", "PLAINTEXT", port, proxy=proxy.address),))
        with open_broker(request.config, own=True, extras=behind) as broker:
            host, _, door = proxy.address.rpartition(":")
            # That the broker answers at its first door says nothing about the second, nor about the proxy.
            until(lambda: serves(host, int(door)), OPEN_LIMIT_S, f"the broker answers behind the proxy, at {port}")
            yield broker, proxy


@pytest.fixture
def proxy(behind_a_proxy: tuple[Broker, Proxy]) -> Iterator[Proxy]:
    """The proxy, good as new."""
    _, proxy = behind_a_proxy
    yield proxy
    proxy.heal()


@pytest.fixture
def pair(behind_a_proxy: tuple[Broker, Proxy], proxy: Proxy, make_stage: MakeStage) -> Pair:
    """Workers come in by the proxy, the oracle does not."""
    broker, _ = behind_a_proxy
    settings: dict[str, Any] = {"bootstrap_servers": proxy.address, "delivery_timeout_ms": 10_000}
    return Pair.started(make_stage, broker.address, *IMPATIENT, **settings)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_sigterm_ends_a_worker_in_time_when_nothing_answers(
    behind_a_proxy: tuple[Broker, Proxy], proxy: Proxy, make_stage: MakeStage, silent: str
) -> None:
    """Engine, broker and trace collector hang at once: `drain_timeout_ms` and 15 s are enough."""
    stage = make_stage(behind_a_proxy[0].address)
    stage.traffic.send(around("hang"))
    settings: dict[str, Any] = {"bootstrap_servers": proxy.address, "traces_endpoint": f"http://{silent}/v1/traces"}
    worker = stage.start(BROKEN, stall_timeout_ms=1_000, drain_timeout_ms=round(DRAIN_S * 1000), **settings)
    until(lambda: "nothing was finished" in worker.get("/livez")[1], 60, "the engine hangs")
    proxy.black_hole()
    worker.terminate()
    assert worker.exit_status(limit_s=DRAIN_S + CLOSING_S) == 0
    stopped = stage.committed()
    assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults(begun_again=[stopped]) == []


def test_connections_that_are_cut_repeatedly_cost_nothing(pair: Pair, proxy: Proxy) -> None:
    """All are reset at once, under load: nothing is lost or repeated, in either delivery mode."""
    backlog = reviews(seed=1)
    for _ in range(CUTS):
        pair.load(backlog, 50)
        assert proxy.cut() >= 4, "each worker has a connection for reading and one for writing"
    assert pair.finish() == []


def test_a_worker_waits_for_a_network_that_drops_everything_for_longer_than_a_session(pair: Pair, proxy: Proxy) -> None:
    """No connection is closed: the worker gives up those that do not answer, and loses nothing."""
    before = pair.interrupted(reviews(seed=2, words=300), 2000)
    proxy.black_hole()
    let_pass(2 * SESSION_TIMEOUT_MS / 1000)
    assert pair.alive()
    proxy.heal()
    assert pair.finish(since=before) == []


def test_a_slow_connection_costs_only_time(pair: Pair, proxy: Proxy) -> None:
    """150 ms and 40 KB/s: transactions shrink until the connection can carry them."""
    proxy.slow(latency_s=0.15, bytes_per_s=40_000)
    for stage in pair.stages:
        stage.traffic.send(islice(reviews(seed=3), 400))
    pair.until_answered()
    proxy.heal()
    assert pair.finish() == []


@pytest.mark.parametrize("answered", [False, True], ids=["before-it-arrives", "before-the-answer"])
def test_a_connection_that_is_cut_during_a_commit_repeats_nothing(pair: Pair, proxy: Proxy, answered: bool) -> None:
    """Without an answer the commit may or may not be stored: the worker reads the committed offsets."""
    backlog = reviews(seed=4)
    for stage, request in zip(pair.stages, (OFFSET_COMMIT, END_TXN), strict=True):
        goal = proxy.severed + 3
        proxy.sever(request, answered=answered)
        stage.traffic.load_until(lambda: proxy.severed >= goal, backlog, "three commits are cut", most=10**9)  # noqa: B023
        proxy.heal()
    assert pair.finish() == []
