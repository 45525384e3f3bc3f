"""The facts about the machine that a reader needs to judge a figure."""

import os
import platform
import re
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

FLAGS: Final = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8"
)  # fmt: skip
PACKAGES: Final = ("torch", "onnxruntime", "kafka-python", "confluent-kafka", "numpy")


def machine_facts() -> dict[str, object]:
    """Return processor, memory, versions, and the load of the machine so far."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    flags = set(_field(cpuinfo, "flags").split())
    versions = {package.name: package.version for package in distributions()}
    return {
        "cpu": _field(cpuinfo, "model name"),
        "cores": len(os.sched_getaffinity(0)),  # that this process may run on
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {package: versions.get(package, "not installed") for package in PACKAGES},
        "load_average_before": os.getloadavg(),
    }


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
