"""The geometry and the words of a plot of the last 15 minutes; `macros.html` draws it as inline SVG. Pure.

The drawing is stretched to the width of the page, so its labels stand beside it, not in it. Readers who cannot see it
get a summary in words, and the page has the numbers as a table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import ClassVar, Final

from worker.monitoring.status.history import SLOT_S, SLOTS

NEXT_TO_NOTHING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Line:
    """One value for each slot, None where there was none; the last slot is the newest."""

    name: str
    kind: str  # a class of the style sheet
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines that share an axis; `text_of` writes a value of it."""

    WIDTH: ClassVar[int] = round(SLOT_S * SLOTS)  # one for each second
    HEIGHT: ClassVar[int] = 100

    title: str
    text_of: Callable[[float | None], str]
    lines: Sequence[Line]

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        return ceiling(max((value for line in self.lines for value in _known(line)), default=0.0))

    @property
    def summary(self) -> str:
        """One sentence for each line: its last, least and greatest value."""
        return " ".join(map(self._in_words, self.lines))

    def path(self, line: Line) -> str:
        """Return the SVG path that draws `line` up to the right edge, with a gap where a value is None.

        A value between two gaps is a dot: a line of length 0 with round ends.
        """
        top, first = self.top, self.WIDTH - SLOT_S * (len(line.values) - 0.5)
        commands, drawing = [], False
        for number, value in enumerate(line.values):
            if value is not None:
                point = f"{first + SLOT_S * number:g} {self.HEIGHT * (1 - value / top):.1f}"
                commands.append(f"L{point}" if drawing else f"M{point}h0")
            drawing = value is not None
        return "".join(commands)

    def _in_words(self, line: Line) -> str:
        values = _known(line)
        if not values:
            return f"{line.name}: nothing yet."
        last, least, most = map(self.text_of, (values[-1], min(values), max(values)))
        return f"{line.name}: last {last}, from {least} to {most}."


def ceiling(most: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not below `most`; 1 if `most` is next to nothing."""
    if most < NEXT_TO_NOTHING:
        return 1.0
    unit = 10.0 ** floor(log10(most))
    return next((step * unit for step in (1, 2, 5) if step * unit >= most), 10 * unit)


def _known(line: Line) -> list[float]:
    return [value for value in line.values if value is not None]
