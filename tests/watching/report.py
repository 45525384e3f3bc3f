"""`python -m tests.watching.report`: write which alerts fired and what the panels showed into docs/runbook.md.

After the tests of this folder.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from tests.support.section import Section

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "var" / "watching.json"
SECTION: Final = Section(ROOT / "docs" / "runbook.md", "watched", "python -m tests.watching.report")


@dataclass(frozen=True)
class Told:
    """An alert that fired by a fault."""

    alert: str
    fault: str
    after_s: float


@dataclass(frozen=True)
class Shown:
    """A query of a panel, and how many series it gave."""

    board: str
    panel: str
    series: int


@dataclass
class Seen:
    """All that the tests of this folder saw."""

    alerts: list[Told] = field(default_factory=list)
    panels: list[Shown] = field(default_factory=list)

    def save(self) -> None:
        """Keep it; of what was not looked at this time, keep what was kept."""
        before = self.kept()
        kept = Seen(self.alerts or before.alerts, self.panels or before.panels)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(asdict(kept), indent=1) + "\n")

    @classmethod
    def kept(cls) -> Self:
        """What was kept; nothing where nothing was."""
        if not RESULTS.exists():
            return cls()
        found = json.loads(RESULTS.read_text())
        return cls([Told(**one) for one in found["alerts"]], [Shown(**one) for one in found["panels"]])


def tables(seen: Seen, day: str) -> str:
    """Return Markdown: a row an alert and fault, and a row a board."""
    return "\n".join(
        [
            f"Run on {day}.",
            "",
            "| alert | by this fault | fired after |",
            "|---|---|---|",
            *(f"| {told.alert} | {told.fault} | {told.after_s:.0f} s |" for told in sorted(seen.alerts, key=by_alert)),
            "",
            "| dashboard | panels | queries | series that they gave |",
            "|---|---|---|---|",
            *board_rows(seen.panels),
            "",
        ]
    )


def by_alert(told: Told) -> tuple[str, float]:
    """The order of the table."""
    return told.alert, told.after_s


def board_rows(panels: Iterable[Shown]) -> Iterator[str]:
    """A row for each dashboard."""
    for board, group in groupby(sorted(panels, key=lambda one: one.board), key=lambda one: one.board):
        queries = list(group)
        titles = {one.panel for one in queries}
        yield f"| {board} | {len(titles)} | {len(queries)} | {sum(one.series for one in queries)} |"


def main() -> None:
    """Bring the page up to date."""
    SECTION.write(tables(Seen.kept(), f"{datetime.now(UTC):%Y-%m-%d}"))


if __name__ == "__main__":
    main()
