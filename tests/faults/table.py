"""`python -m tests.faults.table`: write how each scenario went into docs/guarantees.md, from the suite's results."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "var" / "faults.json"
PAGE = ROOT / "docs" / "guarantees.md"
BEGIN = "<!-- Written by `python -m tests.faults.table` after `make chaos`; do not change it by hand. -->\n"
END = "<!-- The end of what is written so. -->\n"


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
            "| scenario | that is | variant | outcome | took | |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def replaced(page: str, written: str) -> str:
    """Return the page with what stands between the marks replaced."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: BEGIN + written + END, page, flags=re.DOTALL)


def sentences(page: str) -> set[str]:
    """Return the scenarios that the page lists."""
    written = page.partition(BEGIN)[2].partition(END)[0]
    return {row.split("|")[1].strip() for row in written.splitlines() if row.startswith("| ")} - {"scenario"}


def main() -> None:
    """Bring the page up to date."""
    scenarios = [Scenario(**one) for one in json.loads(RESULTS.read_text())]
    PAGE.write_text(replaced(PAGE.read_text(), table(scenarios, f"{datetime.now(UTC):%Y-%m-%d}")))


if __name__ == "__main__":
    main()
