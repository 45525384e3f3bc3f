"""A producer that could not take its transactional id over does not go on trying: it would fence the next one."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.broker import sending
from worker.broker.confluent.transactions import ConfluentTransactionalSink
from worker.broker.connection import Connection
from worker.errors import BrokerUnavailable

THREADS = Path("/proc/self/task")  # those of the library, too


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
def test_a_sink_that_could_not_be_opened_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "OPEN_S", 0.2)
    threads = len(list(THREADS.iterdir()))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        connection = Connection(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(BrokerUnavailable):
            ConfluentTransactionalSink(connection, transactional_id="x", transaction_timeout_ms=5_000)
        assert len(list(THREADS.iterdir())) == threads
