"""The number of cores that the engine uses by default."""

import os
from pathlib import Path

import pytest

from model.engines.cores import physical_cores


def test_it_is_at_least_one_and_at_most_the_cpus_of_the_process(tmp_path: Path) -> None:
    assert 1 <= physical_cores(tmp_path / "absent") <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("content", ["max 100000\n", "", "nonsense", "1 2 3"])
def test_without_a_quota_the_cpu_set_decides(tmp_path: Path, content: str) -> None:
    cpu_max = tmp_path / "cpu.max"
    cpu_max.write_text(content)
    assert physical_cores(cpu_max) == physical_cores(tmp_path / "absent")


@pytest.mark.parametrize("quota_us", [1, 50_000, 100_000])
def test_a_quota_of_one_cpu_or_less_leaves_one(tmp_path: Path, quota_us: int) -> None:
    cpu_max = tmp_path / "cpu.max"
    cpu_max.write_text(f"{quota_us} 100000\n")
    assert physical_cores(cpu_max) == 1


def test_a_quota_above_the_cpu_set_adds_nothing(tmp_path: Path) -> None:
    cpu_max = tmp_path / "cpu.max"
    cpu_max.write_text("99900000 100000\n")
    assert physical_cores(cpu_max) == physical_cores(tmp_path / "absent")
