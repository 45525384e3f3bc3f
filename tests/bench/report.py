"""What was measured, for programs and for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from tests.bench.bars import Bar, bars
from tests.bench.figures import GROUPS, Growth, Resident, growth
from tests.bench.rounds import Measured
from worker.commands.bench.figures import Spread, spreads

WARM_UP_PART = 0.2  # of the run over which memory is looked at


@dataclass(frozen=True, slots=True)
class Report:
    """All of one benchmark."""

    started: str  # RFC 3339
    machine: Mapping[str, object]
    broker: str
    reviews: int
    measured: Mapping[str, Measured]
    memory: Sequence[Resident]

    @property
    def summary(self) -> dict[str, dict[str, Spread]]:
        """By subject and figure."""
        return {name: spreads(measured.rounds) for name, measured in self.measured.items()}

    @property
    def growth(self) -> Growth | None:
        """None where memory was not looked at."""
        return growth(self.memory, warm_up_part=WARM_UP_PART) if self.memory else None

    @property
    def bars(self) -> list[Bar]:
        """Those that were measured."""
        return list(bars(self.summary, self.growth))

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "started": self.started,
            "machine": self.machine,
            "broker": self.broker,
            "reviews": self.reviews,
            "subjects": {name: asdict(measured) for name, measured in self.measured.items()},
            "summary": {
                name: {figure: asdict(spread) for figure, spread in figures.items()}
                for name, figures in self.summary.items()
            },
            "memory": {"growth": asdict(self.growth), "samples": self.memory} if self.growth else None,
            "bars": [asdict(bar) for bar in self.bars],
        }

    def to_tables(self) -> Group:
        """For a terminal."""
        tables = [_machine_table(self)]
        tables += _figures_tables(self.summary)
        if self.growth:
            tables.append(_memory_table(self.growth))
        if self.bars:
            tables.append(_bars_table(self.bars))
        return Group(*tables)


def _machine_table(report: Report) -> Table:
    table = Table("measured on", "", title="Machine")
    for name, fact in {**report.machine, "broker": report.broker, "reviews": report.reviews}.items():
        table.add_row(name.replace("_", " "), _told(fact))
    for name, measured in report.measured.items():
        if measured.about:
            table.add_row(name, _told(measured.about))
    return table


def _told(fact: object) -> str:
    match fact:
        case Mapping():
            return ", ".join(f"{name} {_told(value)}" for name, value in fact.items())
        case list() | tuple():
            return ", ".join(map(_told, fact))
        case float():
            return f"{fact:,.1f}"
    return str(fact)


def rows(summary: Mapping[str, Mapping[str, Spread]], group: str) -> tuple[list[str], list[list[str]]]:
    """The subjects that have figures of a group, and a row for each figure that was measured."""
    labels = GROUPS[group]
    subjects = [name for name, figures in summary.items() if labels.keys() & figures.keys()]
    found = [
        [label, *(str(summary[name].get(figure, "-")) for name in subjects)]
        for figure, label in labels.items()
        if any(figure in summary[name] for name in subjects)
    ]
    return subjects, found


def _figures_tables(summary: Mapping[str, Mapping[str, Spread]]) -> Iterator[Table]:
    for group in GROUPS:
        subjects, found = rows(summary, group)
        if found:
            table = Table("median (minimum to maximum)", *subjects, title=group)
            for row in found:
                table.add_row(*row)
            yield table


def _memory_table(grown: Growth) -> Table:
    table = Table("resident memory of the worker", "", title="Memory")
    table.add_row("mean of the first quarter", f"{grown.first_quarter_mib:.1f} MiB")
    table.add_row("mean of the last quarter", f"{grown.last_quarter_mib:.1f} MiB")
    table.add_row("slope", f"{grown.slope_kib_per_1000_reviews:+.1f} KiB per 1,000 reviews")
    table.add_row("left out as warm-up", f"the first {grown.warm_up_results:,} reviews")
    return table


def _bars_table(found: Sequence[Bar]) -> Table:
    table = Table("bar", "measured", "", title="Bars")
    for bar in found:
        table.add_row(bar.bar, bar.figure, "[green]met[/]" if bar.met else "[red]not met[/]")
    return table
