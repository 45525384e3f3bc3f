"""Every command of the README and the tutorial does what the page says, typed in order by somebody new.

Commands stand in blocks marked `sh`. A block without a mark that follows one is what its commands print, where `...`
stands for anything, and a line of it for any lines.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from model.artifacts import DEFAULT_ARTIFACT
from tests.support.markdown import Block, Page
from tests.support.newcomer import Newcomer
from tests.support.worker_process import ROOT

PAGES = ("README.md", "docs/tutorial.md")
NOT_TO_BE_RUN = ("text", "json", "mermaid")  # the marks of blocks that hold no commands
ELSEWHERE = {
    "make install": "makes the environment that this test runs in",
    "make setup": "makes it, too",
    "make demo": "calls `sentiment-worker demo`, which tests/integration/test_demo.py runs",
    "make test": "runs this test",
    ".venv/bin/python -m training fetch": "downloads 107 MB; tests/training/test_fetch.py has a server of its own",
    ".venv/bin/python -m training --recipe": "takes 45 minutes; tests/training/test_pipeline.py trains on less",
}
UNTIL_CTRL_C = {  # what goes on, and what it prints when it is up, if the page does not say
    ".venv/bin/python -m deploy.kafka run --port 9092": "127.0.0.1:9092",
    ".venv/bin/sentiment-worker run": "... ready",
    "SENTIMENT_HTTP_PORT=8081 .venv/bin/sentiment-worker run": "... ready",
    "SENTIMENT_MODEL=runs/mine/artifact .venv/bin/sentiment-worker run": "... ready",
    "timeout --signal KILL 10 .venv/bin/sentiment-worker run": "... ready",
    ".venv/bin/sentiment-worker tail --from-beginning": "... positive ... r-81",
}
WORKERS_STOP_AT = ("Stop both workers with Ctrl-C", "## Training")
EVERYTHING = "\n".join(Page(ROOT / name).text for name in PAGES)


@pytest.mark.broker
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PAGES)
def test_every_command_does_what_the_page_says(name: str, tmp_path: Path) -> None:
    make_what_training_would(tmp_path)
    with Newcomer(tmp_path) as newcomer:
        for part, after in steps(Page(ROOT / name)):
            if isinstance(part, Block):
                follow(newcomer, commands(part), after)
            elif any(sentence in part for sentence in WORKERS_STOP_AT):
                newcomer.interrupts("sentiment-worker")
        newcomer.interrupts("sentiment-worker")
        newcomer.interrupts("deploy.kafka")


def make_what_training_would(folder: Path) -> None:
    (folder / "runs/mine").mkdir(parents=True)
    (folder / "runs/mine/artifact").symlink_to(DEFAULT_ARTIFACT)


def steps(page: Page) -> Iterator[tuple[str | Block, str]]:
    """Prose and blocks of commands in order, a block with what it prints, or nothing where the page does not say."""
    parts = [part for part in page.parts() if isinstance(part, Block) or part.strip()]
    for part, after in pairwise([*parts, ""]):
        if isinstance(part, str) or part.info == "sh":
            yield part, after.text if isinstance(after, Block) and not after.info else ""


def commands(block: Block) -> list[str]:
    return [line for line in block.text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]


def follow(newcomer: Newcomer, lines: list[str], expected: str) -> None:
    printed = ""
    for line in lines:
        if (command := re.sub(r"\s+#.*", "", line)) in UNTIL_CTRL_C:
            newcomer.starts(line, until_it_shows=anywhere(expected or UNTIL_CTRL_C[command]))
            expected = ""
        elif not line.startswith(tuple(ELSEWHERE)):
            printed += newcomer.types(line)
    if expected:
        assert re.fullmatch(as_pattern(expected), printed.strip("\n")), f"{lines} printed\n{printed}"


def as_pattern(expected: str) -> str:
    """What a page shows, as a regular expression."""
    lines = (".*(?:\n.*)*" if line == "..." else one_line(line) for line in expected.strip("\n").splitlines())
    return "\n".join(lines)


def one_line(line: str) -> str:
    return r"[^\n]*".join(map(re.escape, line.split("...")))


def anywhere(expected: str) -> re.Pattern[str]:
    """These lines, with others before, between and after."""
    return re.compile(r"(?:\n.*)*?\n".join(f"{one_line(line)}$" for line in expected.splitlines()), re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_no_block_is_left_unread(name: str) -> None:
    before = None
    for part in Page(ROOT / name).parts():
        if isinstance(part, Block):
            assert part.info in ("", "sh", *NOT_TO_BE_RUN), f"mark these as `sh` or as one of {NOT_TO_BE_RUN}: {part}"
            assert part.info or before == "sh", f"an unmarked block is what commands print; these are not there: {part}"
            before = part.info


@pytest.mark.parametrize("exception", [*ELSEWHERE, *UNTIL_CTRL_C, *WORKERS_STOP_AT])
def test_no_exception_is_left_over(exception: str) -> None:
    assert exception in EVERYTHING


def test_what_a_page_shows_is_compared_line_by_line() -> None:
    shown = "one ... three\n...\nend."
    assert re.fullmatch(as_pattern(shown), "one two three\nx\ny\nend.")
    assert re.fullmatch(as_pattern(shown), "one  three\n\nend.")
    assert not re.fullmatch(as_pattern(shown), "one two\nthree\nx\nend.")
    assert not re.fullmatch(as_pattern(shown), "one two three\nx\nendX")
    assert anywhere("a ... c\nz").search("first\na b c\nmore\nz\n")
    assert not anywhere("a ... c\nz").search("a b c d\nz\n")
