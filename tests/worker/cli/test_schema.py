"""`schema`. The documents themselves: tests/worker/commands/test_schema.py."""

import json
from pathlib import Path

import click
import pytest

from tests.worker.cli.runner import invoke
from worker.cli.schema import NAMES
from worker.commands import schema as schemas


def test_every_document_can_be_asked_for() -> None:
    assert tuple(schemas.DOCUMENTS) == NAMES


@pytest.mark.parametrize("name", schemas.DOCUMENTS)
def test_schema_prints_a_document(name: str) -> None:
    assert json.loads(invoke("schema", name).stdout) == schemas.DOCUMENTS[name]()


def test_schema_writes_all_documents(tmp_path: Path) -> None:
    assert invoke("schema", "--all", str(tmp_path / "made")).exit_code == 0
    assert {file.stem for file in (tmp_path / "made").iterdir()} == set(schemas.DOCUMENTS)


@pytest.mark.parametrize("arguments", [[], ["review", "--all", "x"], ["nonsense"]])
def test_schema_needs_either_a_name_or_a_folder(arguments: list[str]) -> None:
    assert invoke("schema", *arguments).exit_code == click.UsageError.exit_code
