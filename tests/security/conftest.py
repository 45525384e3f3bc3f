"""The secured broker, one for all tests of this folder."""

from collections.abc import Iterator

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import open_broker
from tests.security.cluster import PASSWORD, Pki, SecuredListeners, set_scram_password
from tests.support.logs import logging_as_it_was
from tests.support.stage import MakeStage, Stage, make_stage, tiny_artifact

__all__ = ["logging_as_it_was", "make_stage", "tiny_artifact"]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def listeners(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> SecuredListeners:
    return SecuredListeners(pki, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="session")
def secured_broker(request: pytest.FixtureRequest, listeners: SecuredListeners) -> Iterator[Broker]:
    with open_broker(request.config, own=True, extras=listeners.extras()) as broker:
        set_scram_password(broker, PASSWORD)
        yield broker


@pytest.fixture
def stage(secured_broker: Broker, make_stage: MakeStage) -> Stage:
    return make_stage(secured_broker.address)
