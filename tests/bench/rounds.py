"""Which part is measured when. Rounds are interleaved, so that a machine that changes its pace hits all alike."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.bench import parts
from tests.bench.figures import FIGURES, Figures, with_ratios
from tests.bench.parts import Bench
from tests.bench.subjects import Subject

ENGINE: Final = "engine"
END_TO_END: Final = "end-to-end"
EXACTLY_ONCE: Final = "exactly-once"
NAIVE: Final = "naive"
LATENCY: Final = "latency"
MEMORY: Final = "memory"
PARTS: Final = (ENGINE, END_TO_END, EXACTLY_ONCE, NAIVE, LATENCY, MEMORY)

Tell = Callable[[str], None]


@dataclass(slots=True)
class Measured:
    """What the rounds of one subject gave."""

    about: dict[str, object] = field(default_factory=dict)  # what the engine said of itself
    rounds: list[dict[str, float]] = field(default_factory=list)


def completed(wanted: Collection[str]) -> frozenset[str]:
    """The parts wanted and the ones they build on: half a load is half of what was measured end to end."""
    return frozenset(wanted) | ({END_TO_END} if {LATENCY, EXACTLY_ONCE} & set(wanted) else set())


def measure_rounds(
    bench: Bench, subjects: Sequence[Subject], *, wanted: Collection[str], rounds: int, tell: Tell
) -> dict[str, Measured]:
    """Every wanted part of every subject in each round."""
    measured = {subject.name: Measured() for subject in subjects}
    for number in range(1, rounds + 1):
        for subject in subjects:
            figures: dict[str, float] = {}
            for part, found in _measure(bench, subject, wanted, measured[subject.name].about):
                figures |= found
                shown = ", ".join(f"{FIGURES[name]}: {value:,.4g}" for name, value in found.items())
                tell(f"round {number} of {rounds}, {subject.name}, {part}: {shown}")
            measured[subject.name].rounds.append(with_ratios(figures))
    return measured


def _measure(
    bench: Bench, subject: Subject, wanted: Collection[str], about: dict[str, object]
) -> Iterator[tuple[str, Figures]]:
    """Each part and its figures as soon as it is over; `about` is filled with what the engine says of itself."""
    if ENGINE in wanted:
        rates, said = parts.engine(bench, subject)
        about |= said
        yield ENGINE, rates
    if END_TO_END in wanted:
        full = parts.end_to_end(bench, subject)
        yield END_TO_END, full
    if EXACTLY_ONCE in wanted:
        yield EXACTLY_ONCE, parts.exactly_once(bench, subject)
    if NAIVE in wanted:
        yield NAIVE, parts.naive(bench, subject)
    if LATENCY in wanted:
        yield LATENCY, parts.half_load(bench, subject, full["end_to_end_reviews_per_s"])
