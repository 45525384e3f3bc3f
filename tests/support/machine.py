"""What tests and benchmarks measure of this machine and its processes."""

import os
import re
from pathlib import Path
from typing import Final

BUSY_LOAD_PER_CORE: Final = 0.25


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def is_busy(load_average_1min: float, cores: int) -> bool:
    """Return whether other programs distort single figures; ratios within a round still hold."""
    return load_average_1min > BUSY_LOAD_PER_CORE * cores


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    [size_kib] = re.findall(r"^VmRSS:\s*(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(size_kib) / 1024
