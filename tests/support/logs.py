"""What tests of the log, and of commands that start it, undo."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Undo what `worker.logs.configure` does to the process."""
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    root_level, handlers, kafka_level = root.level, root.handlers[:], kafka.level
    yield
    root.handlers[:] = handlers
    root.setLevel(root_level)
    kafka.setLevel(kafka_level)
