"""The committed schemas are the generated ones, valid and complete."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from worker.commands import schema as schemas
from worker.wire.headers import Header, On

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", schemas.DOCUMENTS)
def test_the_committed_document_is_the_generated_one(name: str) -> None:
    committed = (ROOT / "docs" / "schemas" / f"{name}.json").read_text("utf-8")
    assert committed == schemas.to_text(schemas.DOCUMENTS[name]()), (
        "stale: run `sentiment-worker schema --all docs/schemas`"
    )


@pytest.mark.parametrize("name", ["review", "scored"])
def test_a_schema_is_valid_in_its_dialect(name: str) -> None:
    document = schemas.DOCUMENTS[name]()
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(document)


def test_every_reference_of_the_asyncapi_document_has_a_target() -> None:
    document = schemas.asyncapi()
    references = list(references_in(document))
    assert len(references) > 10
    for reference in references:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def references_in(node: Any) -> Any:
    if isinstance(node, dict):
        for name, child in node.items():
            if name == "$ref":
                yield child
            else:
                yield from references_in(child)


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
