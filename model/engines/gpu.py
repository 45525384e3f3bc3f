"""Whether it is worth asking torch for a GPU, which takes it seconds."""

from collections.abc import Iterable
from pathlib import Path

# NVIDIA's driver, the driver in a container that was given one card of several, and Windows' subsystem for Linux.
_SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")


def gpu_in_sight(signs: Iterable[str] = _SIGNS) -> bool:
    """Whether there may be a CUDA device; torch has the last word."""
    return any(Path(sign).exists() for sign in signs)
