"""Which part is measured when. Rounds are interleaved, so that a machine that changes its pace hits all alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.bench import parts
from tests.bench.figures import FIGURES, Figures, with_ratios
from tests.bench.latency import latency
from tests.bench.parts import Bench
from tests.bench.peers.contest import contest
from tests.bench.subjects import REFERENCE, SHIPPED, Subject
from worker.broker.clients import CLIENTS

ENGINE: Final = "engine"
END_TO_END: Final = "end-to-end"
MEMORY: Final = "memory"
SHOWN_AT_MOST: Final = 6  # figures in a line of progress


class Part(NamedTuple):
    """What is measured, and of which subjects."""

    measure: Callable[[Bench, Subject, Figures], Figures]
    subjects: frozenset[str]
    builds_on: frozenset[str] = frozenset()


NETWORKS: Final = frozenset({SHIPPED, REFERENCE})
OF_END_TO_END: Final = frozenset({END_TO_END})
ROUND: Final[Mapping[str, Part]] = {
    ENGINE: Part(parts.engine, NETWORKS),
    END_TO_END: Part(parts.end_to_end, NETWORKS),
    "confluent": Part(parts.second_client, NETWORKS, OF_END_TO_END),
    "exactly-once": Part(parts.exactly_once, NETWORKS, OF_END_TO_END),
    "neighbour": Part(parts.disturbed, NETWORKS, OF_END_TO_END),
    "latency": Part(latency, NETWORKS, OF_END_TO_END),
    "peers": Part(contest, frozenset({REFERENCE}), frozenset({ENGINE})),  # measures the engine's tolerance
    "client": Part(parts.client, frozenset(CLIENTS)),
    "simulated": Part(parts.simulated, frozenset(CLIENTS)),
}
PARTS: Final = (*ROUND, MEMORY)

Tell = Callable[[str], None]


@dataclass(slots=True)
class Measured:
    """What the rounds of one subject gave."""

    about: dict[str, object] = field(default_factory=dict)  # what the engine said of itself
    rounds: list[dict[str, float]] = field(default_factory=list)


def completed(wanted: Collection[str]) -> frozenset[str]:
    """The parts wanted and the ones they build on."""
    return frozenset(wanted).union(*(ROUND[part].builds_on for part in wanted if part in ROUND))


def measure_rounds(
    bench: Bench, subjects: Sequence[Subject], *, wanted: Collection[str], rounds: int, tell: Tell
) -> dict[str, Measured]:
    """Every wanted part of every subject in each round."""
    measured = {subject.name: Measured(subject.about) for subject in subjects}
    for number in range(1, rounds + 1):
        for subject in subjects:
            figures: dict[str, float] = {}
            for name, part in ROUND.items():
                if name in wanted and subject.name in part.subjects:
                    found = part.measure(bench, subject, figures)
                    figures |= found
                    tell(f"round {number} of {rounds}, {subject.name}, {name}: {_shown(found)}")
            measured[subject.name].rounds.append(with_ratios(figures))
    return measured


def _shown(found: Figures) -> str:
    shown = [f"{FIGURES[name]}: {value:,.4g}" for name, value in found.items()]
    return ", ".join(shown[:SHOWN_AT_MOST]) + (", ..." if len(shown) > SHOWN_AT_MOST else "")
