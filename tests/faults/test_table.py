"""The page names every scenario there is, and no other."""

import ast
from pathlib import Path

from tests.faults.table import SECTION, Scenario, sentences, table

HERE = Path(__file__).parent


def scenarios() -> set[str]:
    """The sentences of all tests in this folder that need a broker."""
    trees = [ast.parse(path.read_text()) for path in HERE.glob("test_*.py") if path != Path(__file__)]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {Scenario.of(f"::{name}", "", "", 0, {}).sentence for name in names if name.startswith("test_")}


def test_the_page_lists_the_scenarios_that_there_are() -> None:
    assert sentences(SECTION.read()) == scenarios(), "run `make chaos`, then `python -m tests.faults.table`"


def test_what_is_written_is_read_again() -> None:
    one = Scenario.of("tests/faults/test_x.py::test_it_holds[b-1]", "Whatever.", "passed", 1.26, {"kills": "3"})
    written = table([one], "2026-01-01")
    assert "| it holds | Whatever. | b-1 | passed | 1 s | kills: 3 |" in written
    assert sentences(written) == {"it holds"}
