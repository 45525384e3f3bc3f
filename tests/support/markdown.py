"""What the tests of the documentation need of a Markdown file: headings, links, code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


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

    def links(self) -> list[str]:
        """Targets as they stand, of images too, without those in code."""
        return _LINK.findall(_INLINE.sub("", self.prose))

    def anchors(self) -> set[str]:
        """What GitHub lets a link to this page end with."""
        return set(_slugs(_HEADING.findall(self.prose)))

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


def _slugs(headings: list[str]) -> Iterator[str]:
    """GitHub's rule: lower case, punctuation dropped, spaces to hyphens, a number after what was there before."""
    seen: dict[str, int] = {}
    for heading in headings:
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        times = seen[slug] = seen.get(slug, -1) + 1
        yield f"{slug}-{times}" if times else slug
