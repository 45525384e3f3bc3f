"""The worker's image, built once for all tests."""

import pytest

from tests.support.containers import needs_daemon
from tests.support.images import Image, build


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image for CPUs."""
    needs_daemon()
    return build("sentiment-worker:test", tmp_path_factory.mktemp("secrets"), extra="cpu")
