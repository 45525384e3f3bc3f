"""The bars that the product has set itself, and whether the figures clear them. Pure; said, never asserted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.bench.figures import Growth, Spread
from tests.bench.subjects import REFERENCE

OF_ENGINE_AT_LEAST: Final = 0.85
OF_NAIVE_AT_LEAST: Final = 3.0
EXACTLY_ONCE_AT_LEAST: Final = 0.9
GROWTH_AT_MOST: Final = 0.01  # of the first quarter's mean: below it, allocators and page counts make as much noise


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar and what was measured."""

    bar: str
    figure: str
    met: bool


def bars(summary: Mapping[str, Mapping[str, Spread]], grown: Growth | None) -> Iterator[Bar]:
    """Every bar whose figure was measured; the median counts."""
    for subject, figures in summary.items():
        of_engine = figures.get("end_to_end_of_engine")
        if of_engine:
            yield _at_least(f"{subject}: end to end / engine on text", of_engine, OF_ENGINE_AT_LEAST)
        exactly_once = figures.get("exactly_once_of_end_to_end")
        if exactly_once:
            yield _at_least(f"{subject}: exactly once / at least once", exactly_once, EXACTLY_ONCE_AT_LEAST)
        of_naive = figures.get("end_to_end_of_naive")
        if of_naive and subject == REFERENCE:
            yield _at_least(f"{subject}: end to end / naive consumer", of_naive, OF_NAIVE_AT_LEAST)
    if grown:
        yield Bar(
            f"memory grows by {GROWTH_AT_MOST:.0%} at most", f"{grown.ratio:+.2%}", met=grown.ratio <= GROWTH_AT_MOST
        )


def _at_least(what: str, spread: Spread, least: float) -> Bar:
    figure = f"{spread.median:.2f} ({spread.min:.2f} to {spread.max:.2f})"
    return Bar(f"{what} >= {least:g}", figure, met=spread.median >= least)
