"""Which broker is chosen, and the messages about it, or about its absence."""

import socket
from pathlib import Path

import pytest

from deploy.kafka.broker import NoBroker, NotOurs, StartFailed
from deploy.kafka.launcher import OwnKind, choose_broker

NO_DAEMON = "unix:///nonexistent/docker.sock"


def program(directory: Path, name: str, script: str) -> None:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def only_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with only the commands in this directory."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setenv("DOCKER_HOST", NO_DAEMON)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    return directory


def test_with_no_way_to_a_broker_the_error_names_all_three_and_what_is_missing(only_programs: Path) -> None:
    assert not any(only_programs.iterdir())
    with pytest.raises(NoBroker) as refused, choose_broker():
        pass
    message = str(refused.value)
    for words in ("give the address", "run Docker", "install Java 17", "no `docker` command", "no `java` command"):
        assert words in message


@pytest.mark.parametrize(
    ("kind", "command", "script", "refusal"),
    [
        ("docker", "docker", "exit 1", "no Docker daemon answers"),
        ("local", "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""", "Java 17 or later; .*java is 11"),
        ("local", "java", """echo 'openjdk version "21.0.1"' >&2""", "or unset it"),
    ],
    ids=["a daemon that does not answer", "an old Java", "a Kafka home without Kafka"],
)
def test_a_way_that_is_closed_is_refused_with_its_reason(
    kind: OwnKind, command: str, script: str, refusal: str, only_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(only_programs, command, script)
    monkeypatch.setenv("KAFKA_HOME", str(only_programs))
    with pytest.raises(NoBroker, match=refusal), choose_broker(kind=kind):
        pass


def test_an_address_is_taken_before_everything_else_and_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with choose_broker(f"127.0.0.1:1,{address}") as broker:
            assert broker.kind == "address"
            assert address in broker.description
            with pytest.raises(NotOurs):
                broker.kill()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no port", "host:nine"])
def test_an_address_where_nothing_listens_is_an_error_and_not_passed_over(address: str) -> None:
    with pytest.raises(StartFailed, match="nothing listens at"), choose_broker(address):
        pass


@pytest.mark.broker
def test_without_docker_the_local_kafka_is_used_and_the_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NO_DAEMON)
    with choose_broker() as broker:
        assert broker.kind == "local"
        assert broker.description.count("\n") == 0
        assert "no address given; docker: " in broker.description
