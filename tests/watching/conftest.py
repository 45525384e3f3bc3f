"""The fixtures of `tests.support.stage`, and what was seen, for docs/runbook.md."""

from collections.abc import Iterator

import pytest

from tests.support.stage import tiny_artifact
from tests.watching.report import Seen

__all__ = ["seen", "tiny_artifact"]


@pytest.fixture(scope="session")
def seen() -> Iterator[Seen]:
    """What the tests of this folder note; kept in a file when they are over."""
    seen = Seen()
    yield seen
    seen.save()
