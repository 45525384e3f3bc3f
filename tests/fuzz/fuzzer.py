"""Feeds a target with inputs made from a seed, and keeps what broke it: one file for each place that broke."""

import hashlib
import random
import resource
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LIMIT_S: Final = 5.0  # a thousand times what any input should take: what is above hangs or is not linear
LIMIT_MIB: Final = 100.0  # above all that these inputs can ask for honestly


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of foreign bytes. `check` raises where a promise is broken, and depends on its bytes alone."""

    make: Callable[[random.Random], bytes]
    check: Callable[[bytes], None]


OpenTarget = Callable[[], AbstractContextManager[Target]]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one input broke a promise."""

    place: str  # findings of one place count as one
    story: str


@dataclass(slots=True)
class Tally:
    """How a run went."""

    inputs: int = 0
    seconds: float = 0.0
    findings: dict[str, Path] = field(default_factory=dict)  # place: the input kept

    @property
    def rate(self) -> float:
        """Inputs a second."""
        return self.inputs / self.seconds if self.seconds else 0.0


def fuzz(target: Target, name: str, *, inputs: int, seed: int, keep_in: Path, tell: Callable[[str], None]) -> Tally:
    """Try `inputs` inputs; the same seed makes the same ones. The first of each kind of finding is kept in a file."""
    rng = random.Random(f"{seed}/{name}")
    tally = Tally()
    began_s = time.monotonic()
    for _ in range(inputs):
        data = target.make(rng)
        finding = attempt(target, data)
        tally.inputs += 1
        if finding is not None and finding.place not in tally.findings:
            tally.findings[finding.place] = _keep(data, keep_in / name)
            tell(f"{name}: {finding.story}\n  kept as {tally.findings[finding.place]}")
    tally.seconds = time.monotonic() - began_s
    return tally


def attempt(target: Target, data: bytes) -> Finding | None:
    """Check one input, its time and its memory."""
    peak_mib = _peak_mib()
    began_s = time.monotonic()
    try:
        target.check(data)
    except Exception as exc:  # noqa: BLE001  # whatever it is, it should not have come out
        last = traceback.extract_tb(exc.__traceback__)[-1]
        return Finding(
            f"{type(exc).__name__} at {last.filename}:{last.lineno}", "".join(traceback.format_exception(exc))
        )
    if (took_s := time.monotonic() - began_s) > LIMIT_S:
        return Finding("time", f"took {took_s:.1f} s")
    if (grew_mib := _peak_mib() - peak_mib) > LIMIT_MIB:
        return Finding("memory", f"took {grew_mib:.0f} MiB more than any input before")
    return None


def _keep(data: bytes, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / hashlib.sha256(data).hexdigest()[:12]
    path.write_bytes(data)
    return path


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
