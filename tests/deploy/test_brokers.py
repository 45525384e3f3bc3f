"""A broker of each kind does what the protocol says, and leaves nothing behind however its user ends."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker, WayClosed
from deploy.kafka.jars import PROJECT
from deploy.kafka.launcher import OURS, OwnKind, to_stderr
from deploy.kafka.readiness import serves
from tests.support.kafka_io import (
    Message,
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


@pytest.fixture(params=["docker", "local"])
def kind(request: pytest.FixtureRequest) -> OwnKind:
    kind: OwnKind = request.param
    try:
        OURS[kind](port=None, tell=to_stderr).close()
    except WayClosed as closed:
        pytest.skip(f"no {kind} broker on this machine: {closed}")
    return kind


@pytest.fixture
def started(kind: OwnKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with OURS[kind](port=None, tell=to_stderr) as broker:
        broker.start()
        yield broker


def output_of(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def traces_of(kind: OwnKind, address: str, directory: Path) -> Callable[[], list[str]]:
    """What exists of the broker that runs now (processes, files, a container), seen from outside, whenever asked."""
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


def test_what_is_written_is_read_again_up_to_five_megabytes(started: Broker) -> None:
    create_topics(started.address, ["t"], partitions=2)
    values = [b"one", b"x" * 5_000_000, None]
    produce(started.address, "t", [Message(value, key=b"k", partition=1) for value in values])
    assert [(found.partition, found.value) for found in read_all(started.address, "t")] == [(1, v) for v in values]


def test_transactions_and_groups_work(started: Broker) -> None:
    create_topics(started.address, ["t"], partitions=1)
    produce_in_transaction(started.address, "t", [Message(b"aborted")], commit=False)
    produce_in_transaction(started.address, "t", [Message(b"committed")], commit=True)
    assert [found.value for found in read_all(started.address, "t", committed_only=True)] == [b"committed"]
    assert [found.value for found in read_all(started.address, "t")] == [b"aborted", b"committed"]

    seen = consume_in_group(started.address, "t", group="g", count=1)
    assert [found.value for found in seen] == [b"committed"]
    assert committed_offsets(started.address, "g", "t") == {0: seen[0].offset + 1}


def test_a_restart_keeps_address_and_data(started: Broker) -> None:
    address = started.address
    create_topics(address, ["t"], partitions=1)
    produce(address, "t", [Message(b"before")])
    started.restart()
    assert started.address == address
    produce(address, "t", [Message(b"after")])
    assert [found.value for found in read_all(address, "t")] == [b"before", b"after"]


def test_a_stopped_broker_is_away_until_it_is_started(started: Broker) -> None:
    started.stop()
    assert not answers(started)
    started.start()
    assert answers(started)


def test_what_a_killed_broker_had_acknowledged_is_there_after_a_start(started: Broker) -> None:
    create_topics(started.address, ["t"], partitions=1)
    produce(started.address, "t", [Message(b"acknowledged")])
    started.kill()
    assert not answers(started)
    started.start()
    assert [found.value for found in read_all(started.address, "t")] == [b"acknowledged"]


def test_a_frozen_broker_answers_again_when_it_is_resumed(started: Broker) -> None:
    started.pause()
    assert not answers(started)
    started.resume()
    until(lambda: answers(started), 30, "an answer of the resumed broker")


@pytest.mark.parametrize("state", ["running", "stopped", "killed", "frozen"])
def test_close_leaves_nothing_behind(started: Broker, kind: OwnKind, tmp_path: Path, state: str) -> None:
    traces = traces_of(kind, started.address, tmp_path)
    {"running": lambda: None, "stopped": started.stop, "killed": started.kill, "frozen": started.pause}[state]()
    started.close()
    assert traces() == []
    started.close()  # once more does no harm


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
