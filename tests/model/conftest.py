"""Small artifacts that several tests load."""

import pytest

from model.artifact import Artifact
from tests.support.artifacts import tiny_bilstm, tiny_reference


@pytest.fixture(scope="module")
def bilstm(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return tiny_bilstm(tmp_path_factory.mktemp("model") / "bilstm")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return tiny_reference(tmp_path_factory.mktemp("model") / "reference")
