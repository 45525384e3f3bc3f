"""Plots of the last 15 minutes as inline SVG. Pure.

The drawing is stretched to whatever width there is, so the words stand beside it, not in it; the one who cannot see it
gets its summary, and the page has the numbers as a table.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Final

from worker.monitoring.status.history import SLOT_S, SLOTS
from worker.monitoring.status.markup import Markup, element, joined

WIDTH_S: Final = SLOT_S * SLOTS
HEIGHT: Final = 100.0
NEXT_TO_NOTHING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Line:
    """One value for each slot, None where there was none; the last slot is the newest."""

    name: str
    kind: str  # a class of the style sheet
    values: Sequence[float | None]


def plot(title: str, lines: Sequence[Line], *, text_of: Callable[[float | None], str]) -> Markup:
    """Return a figure of `lines`, with axes in the words of `text_of`."""
    top = ceiling(max((value for line in lines for value in line.values if value is not None), default=0.0))
    drawing = element(
        "svg",
        *(element("path", class_="grid", d=f"M0 {y:g}H{WIDTH_S:g}") for y in (0, HEIGHT / 2, HEIGHT)),
        *(element("path", class_=f"line {line.kind}", d=path(line.values, top)) for line in lines),
        viewBox=f"0 0 {WIDTH_S:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}, the last 15 minutes. {summary(lines, text_of)}",
    )
    return element(
        "figure",
        element("figcaption", element("span", title), *_legend(lines)),
        element(
            "div",
            _axis("y", text_of(top), text_of(top / 2), "0"),
            drawing,
            _axis("x", "15 min ago", "10", "5", "now"),
            class_="plot",
        ),
    )


def ceiling(most: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not below `most`; 1 when there is next to nothing."""
    if most < NEXT_TO_NOTHING:
        return 1.0
    unit = 10.0 ** floor(log10(most))
    return next((step * unit for step in (1, 2, 5) if step * unit >= most), 10 * unit)


def path(values: Sequence[float | None], top: float) -> str:
    """Return the commands that draw `values` up to the right edge, with gaps where there are none.

    A value without a neighbour is a dot: a line of no length with round ends.
    """
    first_s = WIDTH_S - SLOT_S * (len(values) - 0.5)
    commands, drawing = [], False
    for number, value in enumerate(values):
        if value is not None:
            point = f"{first_s + SLOT_S * number:g} {HEIGHT * (1 - value / top):.1f}"
            commands.append(f"L{point}" if drawing else f"M{point}h0")
        drawing = value is not None
    return "".join(commands)


def summary(lines: Sequence[Line], text_of: Callable[[float | None], str]) -> str:
    """Return in a sentence for each line what the eye sees first."""
    return " ".join(_in_words(line, text_of) for line in lines)


def _in_words(line: Line, text_of: Callable[[float | None], str]) -> str:
    values = [value for value in line.values if value is not None]
    if not values:
        return f"{line.name}: nothing yet."
    return f"{line.name}: last {text_of(values[-1])}, from {text_of(min(values))} to {text_of(max(values))}."


def _legend(lines: Sequence[Line]) -> Iterator[Markup]:
    if len(lines) > 1:
        for line in lines:
            yield element("span", element("i", class_=line.kind, aria_hidden="true"), line.name, class_="key")


def _axis(name: str, *labels: str) -> Markup:
    return element(
        "div", joined(*(element("span", label) for label in labels)), class_=f"axis {name}", aria_hidden="true"
    )
