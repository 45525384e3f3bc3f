"""The schemas are valid and complete. That the committed ones are up to date: tests/worker/cli/test_schema.py."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from worker.commands import schema as schemas
from worker.wire.headers import Header, On


@pytest.mark.parametrize("name", schemas.MODELS)
def test_a_schema_is_valid_in_its_dialect(name: str) -> None:
    document = schemas.document_of(name)
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(document)


def test_every_reference_of_the_asyncapi_document_has_a_target() -> None:
    document = schemas.asyncapi()
    references = re.findall(r'"\$ref": "#/(.*?)"', schemas.text_of("asyncapi"))
    assert len(references) > 10
    for reference in references:
        target: Any = document
        for step in reference.split("/"):
            target = target[step]


def test_the_topics_have_their_default_names() -> None:
    addresses = {name: channel["address"] for name, channel in schemas.asyncapi()["channels"].items()}
    assert addresses == {"raw": "reviews.raw", "scored": "reviews.scored", "dlq": "reviews.dlq"}


def test_the_headers_of_results_and_dead_letters_are_those_of_the_table() -> None:
    messages = schemas.asyncapi()["components"]["messages"]
    scored, dead_letter = messages["scored"]["headers"], messages["deadLetter"]["headers"]
    assert list(dead_letter["properties"]) == list(Header)
    assert dead_letter["required"] == [header for header in Header if header.on is not On.REPLAYED]
    assert list(scored["properties"]) == [header for header in Header if header.on is not On.DEAD_LETTERS]
    assert scored["required"] == [header for header in Header if header.on is On.RESULTS]
    assert scored["properties"].items() <= dead_letter["properties"].items()
