"""What every test of the command line needs: a log that is restored, and no settings from outside."""

import pytest

from deploy.kafka.broker import Broker
from tests.support.kafka_io import MakeTopics, Topics
from tests.support.stage import make_stage, stage
from tests.support.worker_process import set_environment

__all__ = ["make_stage", "stage"]


@pytest.fixture(autouse=True)
def clean_environment(logging_as_it_was: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """The settings of the environment that runs the tests do not apply."""
    set_environment(monkeypatch)


@pytest.fixture
def made(broker: Broker, topics: MakeTopics, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Topics of the test's own, which the environment names as a user's would, and a group of the same name."""
    made = topics(partitions=2)
    names = {"input_topic": made.input, "output_topic": made.output, "dlq_topic": made.dlq}
    set_environment(monkeypatch, bootstrap_servers=broker.address, group_id=made.input, **names)
    return made
