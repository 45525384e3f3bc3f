"""One frame of a run as an SVG file, for the README."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.demo.view import Frame, render

WIDTH: Final = 100
LINES: Final = 30
# Fonts from the network, which a picture must not load; a comment; and the clipping of each line, which damages the
# frames.
DISPENSABLE: Final = re.compile(
    r"@font-face \{.*?\}\s*|<!--.*?-->\s*"
    r'|<clipPath id="demo-line-.*?</clipPath>\s*| clip-path="url\(#demo-line-\d+\)"',
    re.DOTALL,
)
# rich draws for one font. With these changes glyphs of any monospaced font fill their cells, so frames have no gaps.
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
ADJUSTMENTS: Final = (
    ("font-family: Fira Code, monospace;", f"font-family: {FONTS};"),
    ("font-size: 20px;", "font-size: 21px;"),
    (" textLength=", ' lengthAdjust="spacingAndGlyphs" textLength='),
)


def pictured(frames: Iterator[Frame], path: Path) -> Iterator[Frame]:
    """The same frames; the first one with at least half of the reviews answered is written to `path`."""
    written = False
    for frame in frames:
        yield frame
        if not written and 2 * frame.snapshot.answered >= frame.total:
            written = True
            path.write_text(as_svg(frame), encoding="utf-8")


def as_svg(frame: Frame) -> str:
    """A frame as a terminal of 100 columns and 30 lines shows it."""
    console = Console(record=True, width=WIDTH, height=LINES, file=io.StringIO(), force_terminal=True)
    console.print(render(frame, lines=LINES))
    svg = DISPENSABLE.sub("", console.export_svg(title="make demo", unique_id="demo"))
    for drawn, wanted in ADJUSTMENTS:
        svg = svg.replace(drawn, wanted)
    return svg
