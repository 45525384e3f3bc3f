"""All targets, and how many of a thousand inputs each gets: those that are quick more."""

from pathlib import Path
from typing import Final

from tests.fuzz.artifacts import artifacts
from tests.fuzz.files import review_files
from tests.fuzz.fuzzer import OpenTarget
from tests.fuzz.header_names import header_names
from tests.fuzz.records import records
from tests.fuzz.requests import http_requests
from tests.fuzz.texts import predictors, tokenizers

CORPUS: Final = Path(__file__).parent / "corpus"
TARGETS: Final[dict[str, tuple[int, OpenTarget]]] = {
    "records": (480, records),
    "header-names": (20, header_names),
    "tokenizers": (300, tokenizers),
    "review-files": (120, review_files),
    "artifacts": (60, artifacts),
    "predictors": (10, predictors),
    "http-requests": (10, http_requests),
}


def share_of(name: str, inputs: int) -> int:
    """How many of all inputs `name` gets, one at least."""
    return max(1, inputs * TARGETS[name][0] // 1000)
