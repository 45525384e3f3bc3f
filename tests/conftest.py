"""The broker that tests run on, chosen as the demo chooses it, and topics of a test's own."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any, Literal

import pytest

from deploy.kafka import ports
from deploy.kafka.broker import Broker
from deploy.kafka.launcher import choose_broker
from deploy.kafka.properties import NOTHING_MORE, Extras
from deploy.kafka.readiness import serves
from tests.support.kafka_io import MakeTopics, Topics, delete_topics, new_topics
from worker.broker.clients import ClientName

ADDRESS = "SENTIMENT_TEST_BOOTSTRAP_SERVERS"
WAY = "SENTIMENT_TEST_BROKER"
WAYS = ("auto", "address", "docker", "local")
Way = Literal["auto", "address", "docker", "local"]
USED = pytest.StashKey[str]()
# They come first, so that no process works on one of them when the others are done.
LONGEST = ("tests/contract", "tests/watching", "tests/deploy", "tests/faults", "tests/docs", "tests/soak")
# Little more than half of the work of a start, for a broker that lives for minutes.
QUICK_START = ("-XX:TieredStopAtLevel=1",)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=WAYS,
        default=os.environ.get(WAY, "auto"),
        help=f"the Kafka to test on (default: ${WAY}, or auto: ${ADDRESS} if set, else docker, else local)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if given := getattr(config, "workerinput", None):
        # Of several processes, none chooses a port that another has chosen and does not listen on yet.
        number = int(given["workerid"].removeprefix("gw"))
        ports.CANDIDATES = ports.CANDIDATES[number :: given["workercount"]]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["used"] = session.config.stash.get(USED, None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    if used := getattr(node, "workeroutput", {}).get("used"):
        node.config.stash[USED] = used


def pytest_report_header(config: pytest.Config) -> str:
    return f"broker: {config.getoption('broker')}, found or started by the first test that needs it"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"broker: {config.stash.get(USED, 'none was needed')}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"broker", "own_broker"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)
    items.sort(key=rank)


def rank(item: pytest.Item) -> int:
    return next((number for number, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))


def open_broker(config: pytest.Config, *, own: bool, extras: Extras = NOTHING_MORE) -> AbstractContextManager[Broker]:
    """The broker that the options ask for; with `own`, never the one at an address: it may be stopped."""
    way: Way = config.getoption("broker")
    address = os.environ.get(ADDRESS) if way in ("auto", "address") and not own else None
    if way == "address" and not own and not address:
        raise pytest.UsageError(f"--broker address needs {ADDRESS}=HOST:PORT")
    quick = replace(extras, jvm_options=QUICK_START)
    return choose_broker(address, kind=way if way in ("docker", "local") else None, extras=quick)


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The broker that all tests share. To stop or freeze one, ask for `own_broker`."""
    with open_broker(request.config, own=False) as broker:
        request.config.stash[USED] = broker.description
        yield broker


@pytest.fixture(scope="session")
def own_brokers(request: pytest.FixtureRequest) -> Iterator[Callable[[], Broker]]:
    """For one test after the other the same broker, or another where that one does not serve any more."""
    with ExitStack() as running:
        kept: list[Broker] = []

        def serving() -> Broker:
            if not kept or not serves("127.0.0.1", int(kept[-1].address.rpartition(":")[2])):
                running.close()
                kept.append(running.enter_context(open_broker(request.config, own=True)))
            return kept[-1]

        yield serving


@pytest.fixture
def own_broker(request: pytest.FixtureRequest, own_brokers: Callable[[], Broker]) -> Iterator[Broker]:
    """A broker that no other test uses at the same time, to be stopped, killed, frozen and started as it likes."""
    broker = own_brokers()
    request.config.stash.setdefault(USED, broker.description)
    yield broker
    broker.resume()


@pytest.fixture
def client() -> ClientName:
    """The library that workers speak to Kafka with, where a test does not name others."""
    return "kafka-python"


@pytest.fixture
def topics(broker: Broker) -> Iterator[MakeTopics]:
    """`topics(partitions=4)` makes an input, an output and a dead-letter topic with names of their own."""
    made: list[Topics] = []

    def make(*, partitions: int = 4) -> Topics:
        made.append(new_topics(broker.address, partitions=partitions))
        return made[-1]

    yield make
    if broker.kind == "address":  # ours is thrown away whole
        for one in made:
            delete_topics(broker.address, one.names())
