"""Every use of a private member of kafka-python stands in one file, and is checked against the library's version."""

import ast
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

import worker.broker
from tests.support.until import until
from worker.broker.kafka_python.repairs import TESTED_VERSION, check_version, data_before_end

ROOM = Path(worker.broker.__file__).parent
USERS = [
    path
    for package in ("kafka_python", "cluster")
    for path in sorted((ROOM / package).glob("*.py"))
    if path.name != "repairs.py"
]


class Protocol:
    """Stands in for a connection: records what it was notified of, in order."""

    _sensors = None

    def __init__(self) -> None:
        self.events: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self.events.append("end")


def test_data_that_arrives_with_the_end_of_a_connection_is_delivered_first() -> None:
    net = NetworkSelector()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(b"no: wrong password")
    theirs.close()
    transport, protocol = KafkaTCPTransport(net, ours), Protocol()
    data_before_end(transport, lambda: None)
    transport.set_protocol(protocol)
    transport.resume_reading()

    def ended() -> bool:
        net.poll(timeout_ms=10)
        return "end" in protocol.events

    until(ended, 5, "the end of the connection")
    net.close()
    assert protocol.events == [b"no: wrong password", "end"]


@pytest.fixture
def version_check() -> Iterator[None]:
    check_version.cache_clear()
    yield
    check_version.cache_clear()


@pytest.mark.usefixtures("version_check")
def test_another_version_of_the_library_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kafka.__version__", "3.0.13")
    with caplog.at_level(logging.WARNING):
        check_version()
        check_version()
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("kafka-python 3.0.13 is installed, but the worker changes internals of 3.0.12:")


@pytest.mark.usefixtures("version_check")
def test_the_installed_version_is_the_tested_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_version()
    assert not caplog.records
    assert f'"kafka-python=={TESTED_VERSION}"' in (ROOM.parents[1] / "pyproject.toml").read_text()


def private_uses(source: str) -> list[str]:
    """Private members of other objects, and those of `self` in a class derived from the library without its own."""
    tree = ast.parse(source)
    library = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kafka"
        for alias in node.names
    }
    derived = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and {_name(base) for base in node.bases} & library
    ]
    uses = [node for node in _private(tree) if _name(node.value) not in ("self", "cls")]
    for each in derived:
        own = {node.attr for node in _private(each) if isinstance(node.ctx, ast.Store)}
        own |= {node.name for node in each.body if isinstance(node, ast.FunctionDef)}
        uses += [node for node in _private(each) if _name(node.value) == "self" and node.attr not in own]
    uses_by_text = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _name(node.func) in ("getattr", "setattr", "delattr")
        and ast.unparse(node.args[1]).startswith("'_")
    ]
    return [f"{node.lineno}: {ast.unparse(node)}" for node in (*uses, *uses_by_text)]


def _private(tree: ast.AST) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            yield node


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", USERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_other_file_uses_a_private_member_of_the_library(path: Path) -> None:
    assert private_uses(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "producer._sender.force_close()",
        "self._producer._sender",
        "getattr(producer, '_sender')",
        "from kafka.net.compat import KafkaNetClient\nclass N(KafkaNetClient):\n    def f(self): return self._manager",
    ],
)
def test_a_private_use_is_found(source: str) -> None:
    assert len(private_uses(source)) == 1


def test_private_members_of_our_own_are_none_of_the_library() -> None:
    assert private_uses("class A:\n    def f(self): return self._own") == []
