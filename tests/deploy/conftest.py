"""The worker's image, built once for all tests."""

import fcntl

import pytest

from tests.support.containers import needs_daemon
from tests.support.deployment import DEPLOY
from tests.support.images import Image, build


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image for CPUs."""
    needs_daemon()
    with (DEPLOY.parent / "var" / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes, the second finds every step of the build done
        return build("sentiment-worker:test", tmp_path_factory.mktemp("secrets"), extra="cpu")
