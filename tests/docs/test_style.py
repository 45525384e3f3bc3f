"""The words that docs/style.md forbids do not come back.

Markdown and most sources are read as a whole. Of Python, only what people read: strings, comments and names of tests.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STYLE = ROOT / "docs" / "style.md"
HEADING = "Words not to use"

# Files, and folders with all that is below them.
COVERED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "deploy",
    "docs",
    "examples",
    "mkdocs.yml",
    "model",
    "pyproject.toml",
    "setup.py",
    "tests",
    "training",
    "worker",
)
SUFFIXES = {".md", ".py", ".sh", ".yaml", ".yml", ".toml", ".cpp", ".h", ".java", ".js", ".css", ".service"}
NAMES = {"Makefile", "Dockerfile"}
# Texts of reviews, and a page that is part of an artifact, whose digest covers it.
DATA = {"training/lists/phrases.toml", "model/artifacts/imdb-bilstm/MODEL_CARD.md"}


def forbidden(page: str) -> dict[str, str]:
    """Return each forbidden word or phrase, and what to write instead."""
    section = page.partition(f"\n## {HEADING}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)[1:]  # without the head
    return {word: instead for words, instead in rows for word in words.split(", ")}


WORDS = forbidden(STYLE.read_text("utf-8"))
BETWEEN = r"[\s#*/]+"  # the words of a phrase may be on two lines of a comment
PHRASES = "|".join(BETWEEN.join(map(re.escape, word.split())) for word in WORDS)
PATTERN = re.compile(rf"(?<![\w-])(?:{PHRASES})(?![\w-])", re.IGNORECASE)


def files(name: str) -> list[Path]:
    """Return the files that are read of a covered file or folder."""
    path = ROOT / name
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return [
        one
        for one in found
        if (one.suffix in SUFFIXES or one.name in NAMES) and one.relative_to(ROOT).as_posix() not in DATA
    ]


def written(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what people read, each piece with its first line."""
    text = path.read_text("utf-8")
    if path == STYLE:
        text = re.sub(r"^\|.*", "", text, flags=re.MULTILINE)  # its tables hold the words
    yield from python(text) if path.suffix == ".py" else [(1, text)]


def python(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments, strings and the names of tests."""
    for comment in re.finditer(r"^[ \t]*#.*(?:\n[ \t]*#.*)*|#.*", source, re.MULTILINE):
        yield source.count("\n", 0, comment.start()) + 1, comment[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")


def found(pieces: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return each forbidden word with its line."""
    return sorted(
        {
            (line + text.count("\n", 0, match.start()), re.sub(BETWEEN, " ", match[0].lower()))
            for line, text in pieces
            for match in PATTERN.finditer(text)
        }
    )


@pytest.mark.parametrize("name", COVERED)
def test_no_forbidden_word_is_written(name: str) -> None:
    assert [
        f"{path.relative_to(ROOT)}:{line}: {word!r}: write {WORDS[word]}"
        for path in files(name)
        for line, word in found(written(path))
    ] == []


@pytest.mark.parametrize("name", COVERED)
def test_a_covered_place_has_files(name: str) -> None:
    assert files(name)


@pytest.mark.parametrize("word", WORDS)
def test_a_forbidden_word_is_found_wherever_people_read(word: str) -> None:
    broken = word.replace(" ", "\n    # ")
    assert found(iter([(1, f"# A title\n\nIt is {word.capitalize()}, here.\n")])) == [(3, word)]
    assert found(python(f'x = 1\ny = f"{{x}} {word}"\n')) == [(2, word)]
    assert found(python(f"x = 1  # {word}\n")) == [(1, word)]
    assert found(python(f"def f():\n    # is {broken}\n    return 1\n")) == [(2, word)]
    assert found(python(f"def test_{word.replace(' ', '_')}_here():\n    pass\n")) == [(1, word)]


@pytest.mark.parametrize("word", [word for word in WORDS if word.isalpha()])
def test_names_in_code_and_parts_of_longer_words_are_not_found(word: str) -> None:
    assert found(python(f"{word} = file.{word}()\n")) == []
    assert found(iter([(1, f"x{word} {word}x x_{word} [a page](0012-x-{word}-x.md)")])) == []
