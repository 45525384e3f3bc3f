"""`python -m tests.faults.table`: write how each scenario went into docs/guarantees.md, after `make chaos`."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from tests.support.section import Section

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "var" / "faults.json"
SECTION = Section(ROOT / "docs" / "guarantees.md", "scenarios", "python -m tests.faults.table")


class Scenario(NamedTuple):
    """One test of this folder, as it went."""

    sentence: str  # its name
    promise: str  # the first line of its docstring
    variant: str
    outcome: str
    duration_s: float
    properties: Mapping[str, str]

    @classmethod
    def of(cls, nodeid: str, promise: str, outcome: str, duration_s: float, properties: Mapping[str, str]) -> Self:
        """Read the sentence out of a test's id: `tests/faults/test_x.py::test_a_sentence[variant]`."""
        name, _, variant = nodeid.rpartition("::")[2].partition("[")
        sentence = name.removeprefix("test_").replace("_", " ")
        return cls(sentence, promise, variant.rstrip("]"), outcome, round(duration_s, 1), properties)


def table(scenarios: Iterable[Scenario], day: str) -> str:
    """Return Markdown: a row a scenario."""
    rows = [
        f"| {one.sentence} | {one.promise} | {one.variant} | {one.outcome} | {one.duration_s:.0f} s | "
        + ", ".join(f"{name}: {value}" for name, value in one.properties.items())
        + " |"
        for one in scenarios
    ]
    return "\n".join(
        [
            f"Run on {day}.",
            "",
            "| scenario | expected | variant | outcome | took | measured |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def sentences(written: str) -> set[str]:
    """Return the scenarios that a table lists."""
    return {row.split("|")[1].strip() for row in written.splitlines() if row.startswith("| ")} - {"scenario"}


def main() -> None:
    """Bring the page up to date."""
    scenarios = [Scenario(**one) for one in json.loads(RESULTS.read_text())]
    SECTION.write(table(scenarios, f"{datetime.now(UTC):%Y-%m-%d}"))


if __name__ == "__main__":
    main()
