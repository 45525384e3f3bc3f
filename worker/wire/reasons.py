"""Why a record becomes a dead letter."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why a record became a dead letter: a bounded set, used in headers and as a metric label."""

    meaning: str

    def __new__(cls, code: str, meaning: str = "") -> Self:
        """Return the code as a str with a meaning. `Reason(code)` finds a member, so the meaning is optional."""
        reason = str.__new__(cls, code)
        reason._value_, reason.meaning = code, meaning
        return reason

    INVALID_JSON = "invalid_json", "the value is not UTF-8, not JSON, or nested too deeply"
    INVALID_REVIEW = "invalid_review", "a field is missing or has the wrong type"
    KEYLESS_TOMBSTONE = "keyless_tombstone", "a null value without a key; its dead letter has an empty value"
    UNSCORABLE = "unscorable", "the engine failed on this review, even when it was alone in the batch"
