"""What a check finds."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

from worker.errors import WorkerError


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, but will cause trouble
    FAILURE = "failure"  # `run` would not work, or not for long
    SKIPPED = "skipped"  # could not be checked, or does not apply


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with the fields of `--json`."""

    check: str  # its name for scripts, always the same
    verdict: Verdict = field(kw_only=True)
    seen: str
    advice: str | None = None  # what to do, if there is something to do


ok: Final = partial(Finding, verdict=Verdict.OK)
warning: Final = partial(Finding, verdict=Verdict.WARNING)
failure: Final = partial(Finding, verdict=Verdict.FAILURE)
skipped: Final = partial(Finding, verdict=Verdict.SKIPPED)


def failure_from(check: str, error: WorkerError) -> Finding:
    """Return a failure with the text of the error, whose last sentence is the advice."""
    happened, _, advice = str(error).rpartition(". ")
    return failure(check, happened, advice) if happened else failure(check, advice)
