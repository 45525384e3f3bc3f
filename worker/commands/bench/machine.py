"""The facts about the machine that a reader needs to judge a figure."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

FLAGS: Final = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8"
)  # fmt: skip
PACKAGES: Final = ("torch", "onnxruntime", "kafka-python", "confluent-kafka", "numpy")
BUSY_LOAD_PER_CORE: Final = 0.25


def machine_facts() -> dict[str, object]:
    """Return processor, memory, versions, and the load of the machine so far."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    flags = set(_field(cpuinfo, "flags").split())
    return {
        "cpu": _field(cpuinfo, "model name"),
        "cores": usable_cores(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES},
        "load_average_before": os.getloadavg(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def is_busy(load_average_1min: float, cores: int) -> bool:
    """Return whether other programs distort single figures; ratios within a round still hold."""
    return load_average_1min > BUSY_LOAD_PER_CORE * cores


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(_field(status, "VmRSS").removesuffix("kB")) / 1024


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
