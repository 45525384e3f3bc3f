"""What a worker holds at a moment, from Linux and its own /metrics."""

from pathlib import Path
from typing import NamedTuple

from tests.support.machine import resident_mib
from tests.support.worker_process import WorkerProcess


class Sample(NamedTuple):
    """What must not grow."""

    at_s: float  # since the start of the soak
    memory_mib: float  # resident
    threads: int
    files: int  # open descriptors, sockets too
    series: int  # on /metrics, without those of partitions, which come and go with the assignment


def sample(worker: WorkerProcess, at_s: float) -> Sample:
    """Look at a running worker."""
    series = sum(len(family.samples) for family in worker.families() if family.name != "sentiment_lag_records")
    threads, files = (len(list((Path("/proc") / str(worker.pid) / part).iterdir())) for part in ("task", "fd"))
    return Sample(at_s, resident_mib(worker.pid), threads, files, series)
