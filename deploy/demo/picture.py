"""One frame of a run as an SVG file, for the README."""

import io
import re
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.demo.view import Frame, View, render

WIDTH: Final = 100
LINES: Final = 30
# Fonts to be loaded from elsewhere, which a picture must not do; a comment; and the clipping of every line by itself,
# which cuts hairs off the frames.
DISPENSABLE: Final = re.compile(
    r"@font-face \{.*?\}\s*|<!--.*?-->\s*"
    r'|<clipPath id="demo-line-.*?</clipPath>\s*| clip-path="url\(#demo-line-\d+\)"',
    re.DOTALL,
)
# rich draws for one font. In whichever the reader has, a glyph is made to fill its cell: frames have no gaps then.
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
ADJUSTMENTS: Final = (
    ("font-family: Fira Code, monospace;", f"font-family: {FONTS};"),
    ("font-size: 20px;", "font-size: 21px;"),
    (" textLength=", ' lengthAdjust="spacingAndGlyphs" textLength='),
)


class Picture(View):
    """Writes the first frame that shows at least half of the reviews answered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = False

    def show(self, frame: Frame) -> None:
        """See View."""
        if not self._taken and 2 * frame.snapshot.answered >= frame.total:
            self._taken = True
            self._path.write_text(as_svg(frame), encoding="utf-8")


def as_svg(frame: Frame) -> str:
    """Draw a frame as a terminal of 100 columns and 30 lines shows it."""
    console = Console(record=True, width=WIDTH, height=LINES, file=io.StringIO(), force_terminal=True)
    console.print(render(frame, lines=LINES))
    svg = DISPENSABLE.sub("", console.export_svg(title="make demo", unique_id="demo"))
    for drawn, wanted in ADJUSTMENTS:
        svg = svg.replace(drawn, wanted)
    return svg
