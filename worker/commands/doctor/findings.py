"""What a check finds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from worker.errors import WorkerError


class Severity(StrEnum):
    """How bad a finding is. The report calls it `verdict`."""

    OK = "ok"
    WARNING = "warning"  # works, but will cause trouble
    FAILURE = "failure"  # `run` would not work, or not for long
    SKIPPED = "skipped"  # could not be checked, or does not apply


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str  # its name for scripts, always the same
    severity: Severity
    seen: str
    advice: str = ""  # what to do; empty if there is nothing to do

    @classmethod
    def ok(cls, check: str, seen: str) -> Self:
        """All is well."""
        return cls(check, Severity.OK, seen)

    @classmethod
    def warning(cls, check: str, seen: str, advice: str) -> Self:
        """It works, but should be changed."""
        return cls(check, Severity.WARNING, seen, advice)

    @classmethod
    def failure(cls, check: str, seen: str, advice: str) -> Self:
        """It cannot work."""
        return cls(check, Severity.FAILURE, seen, advice)

    @classmethod
    def skipped(cls, check: str, why: str, advice: str = "") -> Self:
        """It could not be checked, or there is nothing to check."""
        return cls(check, Severity.SKIPPED, why, advice)

    @classmethod
    def from_error(cls, check: str, error: WorkerError) -> Self:
        """A failure with the text of the error, whose last sentence is the advice."""
        happened, _, advice = str(error).rpartition(". ")
        return cls.failure(check, happened or advice, advice if happened else "")
