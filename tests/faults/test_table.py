"""The page names every scenario there is, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.faults.table import SECTION, Scenario, sentences, table

HERE = Path(__file__).parent


def scenarios() -> Iterator[Scenario]:
    """All tests in this folder that need a broker; nothing is known yet of how they went."""
    for path in HERE.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body if path != Path(__file__) else ():
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield Scenario.of(f"::{node.name}", ast.get_docstring(node) or "", "", 0, {})


def test_every_scenario_says_what_is_promised() -> None:
    assert [one.sentence for one in scenarios() if not one.promise] == []


def test_the_page_lists_the_scenarios_that_there_are() -> None:
    assert sentences(SECTION.read()) == {one.sentence for one in scenarios()}, (
        "run `make chaos`, then `python -m tests.faults.table`"
    )


def test_what_is_written_is_read_again() -> None:
    one = Scenario.of("tests/faults/test_x.py::test_it_holds[b-1]", "Whatever.", "passed", 1.26, {"kills": "3"})
    written = table([one], "2026-01-01")
    assert "| it holds | Whatever. | b-1 | passed | 1 s | kills: 3 |" in written
    assert sentences(written) == {"it holds"}
