"""The broker's disk is full: it ends itself, and comes back when there is room again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.properties import Extras
from deploy.kafka.readiness import serves
from tests.conftest import open_broker
from tests.faults.pair import Pair
from tests.support.stage import MakeStage
from tests.support.traffic import reviews
from tests.support.until import until

pytestmark = pytest.mark.broker

DISK_MB = 64


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=1777", "tmpfs", str(disk)]
    done = subprocess.run(mount, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607


@pytest.fixture
def cramped_broker(request: pytest.FixtureRequest, small_disk: Path) -> Iterator[Broker]:
    """A broker whose data are on the small disk."""
    with open_broker(request.config, own=True, extras=Extras(data_dir=small_disk)) as broker:
        yield broker


def host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def fill(disk: Path) -> Path:
    """Take all the room there is; what takes it."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
    except OSError:  # no space left on device
        return ballast


def test_a_worker_waits_for_a_broker_whose_disk_is_full(
    cramped_broker: Broker, small_disk: Path, make_stage: MakeStage
) -> None:
    """The broker ends itself. Restarted with free space, it costs what any broker outage costs."""
    pair = Pair.started(make_stage, cramped_broker.address)
    before = pair.interrupted(reviews(seed=1, words=300), 3000)
    ballast = fill(small_disk)
    until(lambda: not serves(*host_and_port(cramped_broker.address)), 60, "the broker has ended itself")
    assert pair.alive()
    ballast.unlink()
    cramped_broker.restart()
    assert pair.finish(since=before) == []
