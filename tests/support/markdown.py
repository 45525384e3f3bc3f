"""What the tests of the documentation need of a Markdown file: prose and code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """A fenced block; `info` is what stands behind the opening fence."""

    info: str
    text: str

    def lines(self) -> list[str]:
        """Those that are not empty."""
        return [line for line in self.text.splitlines() if line.strip()]


@dataclass(frozen=True)
class Page:
    """One file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text("utf-8")

    def parts(self) -> Iterator[str | Block]:
        """What stands between the fenced blocks, and these, in order."""
        start = 0
        for match in _FENCED.finditer(self.text):
            yield self.text[start : match.start()]
            yield Block(match["info"].strip(), match["text"])
            start = match.end()
        yield self.text[start:]

    @cached_property
    def prose(self) -> str:
        """All but the fenced blocks."""
        return "".join(part for part in self.parts() if isinstance(part, str))

    def code(self) -> list[str]:
        """Every line of a fenced block, and every piece of code in a sentence."""
        fenced = [line for block in self.blocks() for line in block.lines()]
        return fenced + _INLINE.findall(self.prose)

    def blocks(self, under: str = "") -> list[Block]:
        """The fenced blocks; only those between the heading `under` and the next one, where given."""
        text = (
            self.text if not under else re.split(r"^#+ ", self.text.partition(f"# {under}\n")[2], flags=re.MULTILINE)[0]
        )
        return [Block(match["info"].strip(), match["text"]) for match in _FENCED.finditer(text)]
