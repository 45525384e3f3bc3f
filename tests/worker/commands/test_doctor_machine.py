"""The facts that `doctor` gathers about this machine."""

import socket
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from model.engines import load_predictor
from worker.commands.doctor import machine
from worker.monitoring.health import Health
from worker.monitoring.http import serve

HOST = "127.0.0.1"


def test_a_port_is_free_taken_or_a_workers() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert machine.probe_port(HOST, port) == "taken"
    assert machine.probe_port(HOST, port) == "free"
    registry = CollectorRegistry()
    Gauge("other", "First.", registry=registry)
    Gauge("sentiment_ready", "A metric of every worker.", registry=registry)
    with serve(HOST, 0, registry=registry, health=Health(stall_timeout_s=1, now_s=0), pages={}) as (_, used):
        assert machine.probe_port(HOST, used) == "a worker"


def test_an_address_of_another_machine_counts_as_taken() -> None:
    assert machine.probe_port("192.0.2.1", 80) == "taken"  # of no machine: RFC 5737


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="known only on Linux")
def test_memory_is_what_linux_reports() -> None:
    found = machine.memory()
    assert found is not None
    assert 0 < found.used < found.limit
    assert 0 < found.available <= found.limit


def test_the_speed_is_measured(tiny_artifact: Path) -> None:
    assert machine.measure_speed(load_predictor(tiny_artifact, device="cpu", threads=1)) > 0
