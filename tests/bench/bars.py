"""The bars that the product has set itself, and whether the figures clear them. Pure; said, never asserted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.bench.figures import FIGURES, Growth
from tests.bench.subjects import REFERENCE, SHIPPED
from worker.commands.bench.figures import Spread

GROWTH_AT_MOST: Final = 0.01  # of the first quarter's mean: below it, allocators and page counts make as much noise


class Limit(NamedTuple):
    """What a figure must reach, or must not exceed."""

    figure: str
    subjects: tuple[str, ...]
    value: float
    at_least: bool = True


LIMITS: Final = (
    Limit("end_to_end_of_engine", (SHIPPED, REFERENCE), 0.95),
    Limit("exactly_once_of_end_to_end", (SHIPPED, REFERENCE), 0.9),
    Limit("disturbed_of_end_to_end", (SHIPPED, REFERENCE), 0.45),
    Limit("p99_of_p50_at_half_load", (SHIPPED, REFERENCE), 4.0, at_least=False),
    Limit("of_naive", (REFERENCE,), 10.0),
    Limit("of_best_peer", (REFERENCE,), 3.0),
    Limit("peer_results_that_differ", (REFERENCE,), 0, at_least=False),
    Limit("pipeline_of_accelerator", ("kafka-python",), 0.8),
    Limit("pipeline_of_fast_accelerator", ("confluent",), 0.8),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar and what was measured."""

    bar: str
    figure: str
    met: bool


def bars(summary: Mapping[str, Mapping[str, Spread]], grown: Growth | None) -> Iterator[Bar]:
    """Every bar whose figure was measured; the median counts."""
    for limit in LIMITS:
        for subject in limit.subjects:
            spread = summary.get(subject, {}).get(limit.figure)
            if spread is not None:
                yield _held_against(limit, subject, spread)
    if grown:
        measured = f"{grown.ratio:+.2%}, to {grown.last_quarter_mib:,.0f} MiB"
        yield Bar(f"memory grows by {GROWTH_AT_MOST:.0%} at most", measured, met=grown.ratio <= GROWTH_AT_MOST)


def _held_against(limit: Limit, subject: str, spread: Spread) -> Bar:
    sign, met = (">=", spread.median >= limit.value) if limit.at_least else ("<=", spread.median <= limit.value)
    return Bar(f"{subject}: {FIGURES[limit.figure]} {sign} {limit.value:g}", str(spread), met=met)
