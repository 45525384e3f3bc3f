"""Facts about this machine: speed of the engine, memory, GPUs, the HTTP port."""

import socket
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.predictor import Predictor
from worker.commands.doctor.machine_checks import Memory, Port, Speed

WORDS: Final = 230  # the mean of film reviews
_SENTENCE: Final = "it was a fine film with great actors and a rather bad ending that nobody will remember for long "
_BATCH: Final = 64
_MEASURE_S: Final = 1.0
_ANSWER_S: Final = 1.0
_LARGEST_PAGE: Final = 1_000_000
_CGROUP: Final = Path("/sys/fs/cgroup")


def measure_speed(predictor: Predictor) -> Speed:
    """Warm up, then score made-up reviews for about a second."""
    words = (_SENTENCE * WORDS).split()[:WORDS]
    rows = predictor.tokenize([" ".join(words)] * _BATCH)
    predictor.predict(rows)
    scored, begun_s = 0, time.perf_counter()
    while (took_s := time.perf_counter() - begun_s) < _MEASURE_S:
        predictor.predict(rows)
        scored += _BATCH
    return Speed(scored / took_s, WORDS)


def memory() -> Memory | None:
    """Return the memory as Linux reports it, or None on another system."""
    try:
        meminfo = _kilobytes(Path("/proc/meminfo").read_text().splitlines())
        status = _kilobytes(Path("/proc/self/status").read_text().splitlines())
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


def _kilobytes(lines: Sequence[str]) -> dict[str, int]:
    """Read lines like "Name:   123 kB", in bytes; skip the others."""
    parts = (line.replace(":", " ").split() for line in lines)
    return {part[0]: int(part[1]) * 1024 for part in parts if len(part) == 3 and part[2] == "kB"}


def _cgroup_bytes(name: str) -> int | None:
    try:
        text = (_CGROUP / name).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
