"""Facts about this machine: speed of the engine, memory, GPUs, the HTTP port."""

import re
import socket
import time
import urllib.request
from pathlib import Path
from typing import Final

from model.predictor import Predictor
from worker.commands.doctor.machine_checks import WORDS, Memory, Port

_SENTENCE: Final = "it was a fine film with great actors and a rather bad ending that nobody will remember for long "
_BATCH: Final = 64
_MEASURE_S: Final = 1.0
_ANSWER_S: Final = 1.0
_LARGEST_PAGE: Final = 1_000_000
_CGROUP: Final = Path("/sys/fs/cgroup")


def measure_speed(predictor: Predictor) -> float:
    """Warm up, then score reviews of WORDS words for about a second. Return how many it scored in one."""
    words = (_SENTENCE * WORDS).split()[:WORDS]
    rows = predictor.tokenize([" ".join(words)] * _BATCH)
    predictor.predict(rows)
    scored, begun_s = 0, time.perf_counter()
    while (took_s := time.perf_counter() - begun_s) < _MEASURE_S:
        predictor.predict(rows)
        scored += _BATCH
    return scored / took_s


def memory() -> Memory | None:
    """Return the memory as Linux reports it, or None on another system."""
    try:
        meminfo, status = _sizes("/proc/meminfo"), _sizes("/proc/self/status")
    except OSError:
        return None
    total, available = meminfo["MemTotal"], meminfo["MemAvailable"]
    limit = _cgroup_bytes("memory.max")
    if limit is not None and limit < total:
        used_there = _cgroup_bytes("memory.current") or 0
        total, available = limit, min(available, max(0, limit - used_there))
    return Memory(status["VmRSS"], total, available)


def gpus() -> int:
    """Return how many GPUs the system shows, whether a library can use them or not."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def probe_port(host: str, port: int) -> Port:
    """Try to listen as `run` would. If the port is taken, find out whether a worker has it."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except (OSError, UnicodeError):
        return "a worker" if _is_worker(host, port) else "taken"
    return "free"


def _is_worker(host: str, port: int) -> bool:
    place = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(f"http://{place}:{port}/metrics", timeout=_ANSWER_S) as page:
            return b"\nsentiment_" in page.read(_LARGEST_PAGE)
    except (OSError, ValueError):
        return False


def _sizes(path: str) -> dict[str, int]:
    """Read lines like "Name:   123 kB", in bytes; skip the others."""
    lines = re.findall(r"^(\w+):\s+(\d+) kB$", Path(path).read_text(), re.MULTILINE)
    return {name: int(size_kib) * 1024 for name, size_kib in lines}


def _cgroup_bytes(name: str) -> int | None:
    try:
        text = (_CGROUP / name).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
