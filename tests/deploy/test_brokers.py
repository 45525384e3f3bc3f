"""A broker of each kind keeps its contract, and leaves nothing behind, however its user ends."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.kafka.broker import Broker, WayClosed
from deploy.kafka.jars import PROJECT
from deploy.kafka.launcher import OURS, OwnKind, to_stderr
from deploy.kafka.readiness import serves
from tests.support.kafka_io import (
    Message,
    Stored,
    committed_offsets,
    consume_in_group,
    create_topics,
    produce,
    produce_in_transaction,
    read_all,
)
from tests.support.until import until

GONE_LIMIT_S = 30.0
pytestmark = pytest.mark.broker


@pytest.fixture(scope="module", params=["docker", "local"])
def kind(request: pytest.FixtureRequest) -> OwnKind:
    kind: OwnKind = request.param
    try:
        OURS[kind](port=None, report=to_stderr).close()
    except WayClosed as closed:
        pytest.skip(f"no {kind} broker on this machine: {closed}")
    return kind


@pytest.fixture(scope="module")
def started(kind: OwnKind) -> Iterator[Broker]:
    """One broker for the tests that leave it running."""
    with OURS[kind](port=None, report=to_stderr) as broker:
        broker.start()
        yield broker


@pytest.fixture
def topic(started: Broker) -> str:
    """A topic of the test's own, with two partitions."""
    name = uuid4().hex
    create_topics(started.address, [name], partitions=2)
    return name


def output_of(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def traces_of(kind: OwnKind, address: str, directory: Path) -> Callable[[], list[str]]:
    """What exists of the running broker at each call (processes, files, a container), seen from outside."""
    if kind == "local":
        [mark] = [str(data) for data in directory.glob("sentiment-kafka-*")]
    else:
        mark = output_of("docker", "ps", "--filter", f"publish={port_of(address)}", "--format", "{{.Names}}")

    def traces() -> list[str]:
        processes = [line for line in output_of("ps", "-A", "-ww", "-o", "args=").splitlines() if mark in line]
        files = [str(path) for path in directory.rglob(f"{Path(mark).name}/*")]
        containers = output_of("docker", "ps", "-aq", "--filter", f"name={mark}") if kind == "docker" else ""
        return processes + files + containers.splitlines()

    assert traces(), "the oracle sees nothing while the broker runs"
    return traces


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def answers(broker: Broker) -> bool:
    return serves("127.0.0.1", port_of(broker.address))


def values_of(stored: list[Stored]) -> list[bytes | None]:
    return [message.value for message in stored]


def test_what_is_written_is_read_again_up_to_five_megabytes(started: Broker, topic: str) -> None:
    values = [b"one", b"x" * 5_000_000, None]
    produce(started.address, topic, [Message(value, key=b"k", partition=1) for value in values])
    found = read_all(started.address, topic)
    assert values_of(found) == values
    assert {(message.partition, message.key) for message in found} == {(1, b"k")}


def test_transactions_and_groups_work(started: Broker, topic: str) -> None:
    produce_in_transaction(started.address, topic, [Message(b"aborted", partition=0)], commit=False)
    produce_in_transaction(started.address, topic, [Message(b"committed", partition=0)], commit=True)
    assert values_of(read_all(started.address, topic, committed_only=True)) == [b"committed"]
    assert values_of(read_all(started.address, topic)) == [b"aborted", b"committed"]

    seen = consume_in_group(started.address, topic, group=topic, count=1)
    assert values_of(seen) == [b"committed"]
    assert committed_offsets(started.address, topic, topic)[0] > seen[0].offset


def test_a_restart_keeps_address_and_data(started: Broker, topic: str) -> None:
    address = started.address
    produce(address, topic, [Message(b"before", partition=0)])
    started.restart()
    assert started.address == address
    produce(address, topic, [Message(b"after", partition=0)])
    assert values_of(read_all(address, topic)) == [b"before", b"after"]


def test_what_a_killed_broker_had_acknowledged_is_there_after_a_start(started: Broker, topic: str) -> None:
    produce(started.address, topic, [Message(b"acknowledged")])
    started.kill()
    assert not answers(started)
    started.start()
    assert values_of(read_all(started.address, topic)) == [b"acknowledged"]


def test_a_frozen_broker_answers_again_when_it_is_resumed(started: Broker) -> None:
    started.pause()
    until(lambda: not answers(started), 10, "all its threads stand still")
    started.resume()
    until(lambda: answers(started), 30, "an answer of the resumed broker")


@pytest.mark.parametrize("state", ["stopped", "killed", "frozen"])
def test_close_leaves_nothing_behind(
    kind: OwnKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with OURS[kind](port=None, report=to_stderr) as broker:
        broker.start()
        traces = traces_of(kind, broker.address, tmp_path)
        {"stopped": broker.stop, "killed": broker.kill, "frozen": broker.pause}[state]()
        until(lambda: not answers(broker), 10, "all its threads stand still")
    assert traces() == []
    broker.close()  # a second time has no effect


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 0), (signal.SIGTERM, 0)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_broker_does_not_outlive_its_user(kind: OwnKind, tmp_path: Path, number: signal.Signals, status: int) -> None:
    command = [sys.executable, "-m", "deploy.kafka", "run", "--kind", kind]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        address = user.stdout.readline().strip()
        traces = traces_of(kind, address, tmp_path)
        user.send_signal(number)
    assert user.returncode == status
    until(lambda: not traces(), GONE_LIMIT_S, "the broker's process, files and container to go")
