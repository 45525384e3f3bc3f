"""`python -m tests.worker.wire.tables`: write the tables of docs/messages.md, from the models, headers and reasons."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from tests.support.section import Section
from worker.wire.headers import Header
from worker.wire.reasons import Reason
from worker.wire.review import Review
from worker.wire.scored import ScoredReview

PAGE = Path(__file__).parents[3] / "docs" / "messages.md"
COMMAND = "python -m tests.worker.wire.tables"


def tables() -> Iterator[tuple[Section, str]]:
    """Yield each table with its place on the page."""
    yield section("review fields"), table("field | meaning", fields_of(Review))
    yield section("result fields"), table("field | meaning", fields_of(ScoredReview))
    yield (
        section("headers"),
        table("header | in | meaning", ((f"`{one}`", one.on.value, one.meaning) for one in Header)),
    )
    yield section("reasons"), table(f"`{Header.REASON}` | meaning", ((f"`{one}`", one.meaning) for one in Reason))


def section(name: str) -> Section:
    """Return a section of the page."""
    return Section(PAGE, name, COMMAND)


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the description of each field; below an object, those of its own fields."""
    for name, field in model.model_fields.items():
        yield f"`{prefix}{name}`", field.description or ""
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields_of(kind, f"{prefix}{name}.")


def table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Return Markdown, with a blank line before and after."""
    lines = [f"| {head} |", "|" + "---|" * len(head.split("|")), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n" + "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    for place, text in tables():
        place.write(text)
