"""The number of cores that this process may compute on."""

import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def physical_cores(cpu_max: Path = _CPU_MAX) -> int:
    """Physical cores in the process's CPU set, because two hyper-threads share one core's arithmetic. At least 1.

    A cgroup's CPU quota (`docker run --cpus 2`), read from `cpu_max`, lowers it, because threads beyond the quota are
    suspended in mid-computation.
    """
    cores = len({_siblings(cpu) for cpu in os.sched_getaffinity(0)})
    quota = _cgroup_quota_cpus(cpu_max)
    return cores if quota is None else max(1, min(cores, quota))


def _siblings(cpu: int) -> str:
    """A name that the hyper-threads of one core share."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(cpu)  # some sandboxes hide the file: every CPU counts as a core


def _cgroup_quota_cpus(cpu_max: Path) -> int | None:
    """Whole CPUs of a cgroup v2 quota, rounded up; None without one."""
    try:
        quota_us, period_us = cpu_max.read_text().split()
        return -(-int(quota_us) // int(period_us))
    except (OSError, ValueError):  # no such file, or "max"
        return None
