"""docs/messages.md describes the messages of today."""

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from tests.support.section import Section
from tests.worker.wire.tables import COMMAND, PAGE, fields_of, tables
from worker.wire.review import Review
from worker.wire.scored import ScoredReview

SECTIONS = list(tables())
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)]


@pytest.mark.parametrize(("section", "text"), SECTIONS, ids=[section.name for section, _ in SECTIONS])
def test_a_table_of_the_page_is_the_generated_one(section: Section, text: str) -> None:
    assert section.read() == text, f"stale: run `{COMMAND}`"


@pytest.mark.parametrize(("model", "example"), list(zip([Review, ScoredReview], EXAMPLES, strict=True)))
def test_an_example_of_the_page_shows_every_field_in_order(model: type[BaseModel], example: dict[str, Any]) -> None:
    assert list(example) == list(model.model_fields)
    model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("model", [Review, ScoredReview])
def test_every_field_has_a_description(model: type[BaseModel]) -> None:
    assert [name for name, description in fields_of(model) if not description] == []
