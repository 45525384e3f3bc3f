"""What a check says."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from worker.errors import WorkerError


class Verdict(StrEnum):
    """How good it looks."""

    OK = "ok"
    WARNING = "warning"  # works, and will hurt one day
    FAILURE = "failure"  # `run` would not work, or not for long
    SKIPPED = "skipped"  # could not be seen, or does not apply


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str  # its name for scripts, the same in every run
    verdict: Verdict
    seen: str
    advice: str = ""  # what to do, where there is something to do

    @classmethod
    def ok(cls, check: str, seen: str) -> Self:
        """All is well."""
        return cls(check, Verdict.OK, seen)

    @classmethod
    def warning(cls, check: str, seen: str, advice: str) -> Self:
        """It works; it should be otherwise."""
        return cls(check, Verdict.WARNING, seen, advice)

    @classmethod
    def failure(cls, check: str, seen: str, advice: str) -> Self:
        """It cannot work."""
        return cls(check, Verdict.FAILURE, seen, advice)

    @classmethod
    def skipped(cls, check: str, why: str, advice: str = "") -> Self:
        """It could not be looked at, or there is nothing to look at."""
        return cls(check, Verdict.SKIPPED, why, advice)

    @classmethod
    def of(cls, check: str, error: WorkerError) -> Self:
        """A failure in the words of our error, whose last sentence says what to do."""
        happened, _, advice = str(error).rpartition(". ")
        return cls.failure(check, happened or advice, advice if happened else "")


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each verdict."""
    verdicts = [finding.verdict for finding in findings]
    return {verdict.value: verdicts.count(verdict) for verdict in Verdict}
