"""What the documentation names is there: targets of make, commands, flags, variables. Links: test_site.py."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deploy.site.hooks import pages
from tests.support.markdown import Page
from worker.cli import main
from worker.cli.reference import commands_of
from worker.settings.schema import Settings, env_name
from worker.settings.sources import CONFIG, SECRET_FILES

ROOT = Path(__file__).parents[2]
PAGES = [Page(path) for path in pages(ROOT)]
VARIABLE = re.compile(r"\bSENTIMENT_[A-Z0-9_]*[A-Z0-9]\b")
VARIABLES = {env_name(CONFIG), *SECRET_FILES, *map(env_name, Settings.model_fields)}
COMMAND = re.compile(r"(?:^|(?<!Usage:)\s|bin/)sentiment-worker +(?P<words>[a-z][^|;&#)>]*)")


def name(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name)


@every_page
def test_every_make_target_is_in_the_makefile(page: Page) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match[1] for code in page.code() for match in re.finditer(r"(?:^|&& )make ([a-z]+)\b", code)}
    assert named <= targets


@every_page
def test_every_variable_is_a_setting(page: Page) -> None:
    named = {variable for variable in VARIABLE.findall(page.text) if not variable.startswith("SENTIMENT_TEST_")}
    assert named <= VARIABLES


@every_page
def test_every_command_and_flag_is_in_the_command_line(page: Page) -> None:
    assert [wrong for code in page.code() for wrong in wrong_words(code)] == []


def wrong_words(code: str) -> Iterator[str]:
    """Words behind `sentiment-worker` that are neither a command nor a flag of it."""
    for match in COMMAND.finditer(code):
        command: click.Command = main
        words = match["words"].split()
        while words and isinstance(command, click.Group):
            if words[0] not in commands_of(command):
                yield f"{match['words']!r}: {command.name} has no command {words[0]}"
                return
            command = commands_of(command)[words.pop(0)]
        flags = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        yield from (f"{match['words']!r}: no flag {flag}" for flag in sorted(given - flags))


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# A heading\n\n```\nsentiment-worker rum\n```\n")
    assert [wrong for code in Page(path).code() for wrong in wrong_words(code)] == ["'rum': main has no command rum"]
    assert list(wrong_words("sentiment-worker tail --limits 3")) == ["'tail --limits 3': no flag --limits"]
