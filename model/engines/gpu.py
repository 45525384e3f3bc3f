"""Whether there may be a GPU, without importing torch, which takes seconds."""

from collections.abc import Iterable
from pathlib import Path

# NVIDIA's driver, the driver in a container with one card of several, and Windows' subsystem for Linux.
_SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")


def gpu_in_sight(signs: Iterable[str] = _SIGNS) -> bool:
    """Whether there may be a CUDA device; only torch knows for certain."""
    return any(Path(sign).exists() for sign in signs)
