"""The page has the present alerts."""

from collections import Counter

from tests.support.prometheus import board_and_panel, panel_queries
from tests.watching.faults import FAULTS
from tests.watching.report import SECTION, Seen, Shown, Told, tables

STALE = "run the tests of tests/watching, then `python -m tests.watching.report`"


def test_the_page_lists_every_fault_with_the_alerts_that_fired() -> None:
    rows = {tuple(cells[:2]) for row in SECTION.read().splitlines() if len(cells := row.strip("| ").split(" | ")) == 3}
    assert rows - {("alert", "by this fault")} >= {
        (alert, fault.__doc__) for fault in FAULTS for alert in fault.told_by
    }


def test_the_page_counts_the_panels_that_there_are() -> None:
    panels = [board_and_panel(query) for query in panel_queries()]
    queries, titles = Counter(board for board, _ in panels), Counter(board for board, _ in set(panels))
    for board, count in queries.items():
        assert f"| {board} | {titles[board]} | {count} | " in SECTION.read(), STALE


def test_what_was_seen_becomes_two_tables() -> None:
    seen = Seen([Told("SentimentX", "it burns", 1.4)], [Shown("model", "Score (1", 2), Shown("model", "Score (1", 3)])
    written = tables(seen, "2026-01-01")
    assert "| SentimentX | it burns | 1 s |" in written
    assert "| model | 1 | 2 | 5 |" in written
