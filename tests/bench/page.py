"""`python -m tests.bench.page FIGURES.json`: write what `make bench` saved into docs/performance.md, and draw it."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import GROUPS
from tests.bench.plot import plot_latency
from tests.bench.processes import ROOT
from tests.bench.report import rows
from tests.support.section import Section
from worker.commands.bench.figures import Spread

PAGE: Final = ROOT / "docs" / "performance.md"
SECTION: Final = Section(PAGE, "figures", "python -m tests.bench.page FIGURES.json")
PICTURE: Final = PAGE.parent / "images" / "latency.svg"
DRAWN: Final = {"Latency": [f"![Latency against load](images/{PICTURE.name})", ""]}  # by group


def main() -> None:
    """Bring the figures of the page up to date."""
    document = json.loads(Path(sys.argv[1]).read_text())
    SECTION.write(figures(document))
    plot_latency(summary_of(document), PICTURE)


def summary_of(document: Mapping[str, Any]) -> dict[str, dict[str, Spread]]:
    """Of a report's JSON, by subject and figure."""
    return {
        subject: {name: Spread(**spread) for name, spread in measured.items()}
        for subject, measured in document["summary"].items()
    }


def figures(document: Mapping[str, Any]) -> str:
    """Markdown of a report's JSON: the machine, a table a group, the bars."""
    summary = summary_of(document)
    machine = document["machine"]
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    broker = document["broker"].split(" at ")[0]  # its address is nobody's business
    measured_on = (
        f"`make bench`, {document['started'][:10]}, {machine['cores']} cores of {machine['cpu']} "
        f"({', '.join(machine['flags'])}), Python {machine['python']}, {versions}; {broker}. "
        f"{document['reviews']:,} reviews end to end; median (minimum to maximum) of the rounds."
    )
    lines = [measured_on, ""]
    for group in GROUPS:
        subjects, found = rows(summary, group)
        if found:
            lines += [f"**{group}**", "", *DRAWN.get(group, []), *markdown_table(["", *subjects], found), ""]
    bars = [[bar["bar"], bar["figure"], "met" if bar["met"] else "not met"] for bar in document["bars"]]
    return "\n".join([*lines, "**Bars**", "", *markdown_table(["bar", "measured", ""], bars), ""])


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Its lines."""
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *lines)]


if __name__ == "__main__":
    main()
