"""The client is chosen by name. Where it is not installed, the error says what to install."""

import sys

import pytest

from worker.app import run
from worker.broker.clients import CLIENTS, client_named
from worker.errors import SettingsRejected
from worker.settings.schema import Settings


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("confluent_kafka", "worker.broker.confluent"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delattr("worker.broker.confluent", raising=False)


def test_each_client_has_its_own_classes() -> None:
    for field in client_named("kafka-python")._fields:
        names = {getattr(client_named(name), field).__module__ for name in CLIENTS}
        assert len(names) == 2


@pytest.mark.usefixtures("not_installed")
def test_a_client_that_is_not_installed_is_refused_with_what_to_install() -> None:
    with pytest.raises(SettingsRejected, match=r"pip install 'sentiment-worker\[confluent\]'"):
        client_named("confluent")


@pytest.mark.usefixtures("not_installed")
def test_a_worker_does_not_start_without_its_client() -> None:
    with pytest.raises(SettingsRejected, match="confluent-kafka"):
        run(Settings(client="confluent", http_port=0))


@pytest.mark.usefixtures("not_installed")
def test_kafka_python_needs_no_other_client() -> None:
    assert client_named("kafka-python").source.__name__ == "KafkaSource"
