"""What programs write into pages finds its place, and leaves the rest alone."""

from pathlib import Path

import pytest

from tests.bench import hops, page, reload
from tests.faults import table
from tests.support.section import Section
from tests.watching import report

SECTIONS = (page.SECTION, hops.SECTION, reload.SECTION, table.SECTION, report.SECTION)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_the_page_has_one_place_for_what_a_command_writes(section: Section) -> None:
    before = section.page.read_text()
    once = section.replaced(before, "a new table\n")
    assert once.count("a new table\n") == 1
    assert section.replaced(once, section.read()) == before


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="0 places for hops"):
        Section(Path("page.md"), "hops", "a command").replaced("# Performance\n", "")
