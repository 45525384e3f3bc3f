"""Whatever reads foreign bytes keeps its promises for a few thousand of them, and for all that broke it before."""

from pathlib import Path

import pytest

from tests.fuzz.fuzzer import attempt, fuzz
from tests.fuzz.targets import CORPUS, TARGETS, share_of

INPUTS = 5_000
SEED = 1
KEPT = sorted(path.relative_to(CORPUS) for path in CORPUS.glob("*/*"))


@pytest.mark.parametrize("name", TARGETS)
def test_foreign_bytes_break_no_promise(name: str, tmp_path: Path) -> None:
    stories: list[str] = []
    with TARGETS[name][1]() as target:
        fuzz(target, name, inputs=share_of(name, INPUTS), seed=SEED, keep_in=tmp_path, tell=stories.append)
    assert stories == []


@pytest.mark.parametrize("path", KEPT, ids=str)
def test_what_broke_once_does_not_break_again(path: Path) -> None:
    with TARGETS[path.parts[0]][1]() as target:
        assert attempt(target, (CORPUS / path).read_bytes()) is None
