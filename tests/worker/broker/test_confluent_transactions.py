"""A producer that could not take its transactional id over does not go on trying: it would fence the next one."""

import gc
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.until import until
from worker.broker import sending
from worker.broker.confluent.transactions import ConfluentTransactionalSink
from worker.broker.connection import Connection
from worker.errors import BrokerUnavailable


def library_threads() -> set[str]:
    """The threads of librdkafka in this process; it names them `rdk:...`."""
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # it has just ended
            if (thread / "comm").read_text().startswith("rdk:"):
                found.add(thread.name)
    return found


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
def test_a_sink_that_could_not_be_opened_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "OPEN_S", 0.2)
    before = library_threads()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        connection = Connection(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(BrokerUnavailable):
            ConfluentTransactionalSink(connection, transactional_id="x", transaction_timeout_ms=5_000)
        until(lambda: library_threads() <= before, 10, "the threads of the sink end")
