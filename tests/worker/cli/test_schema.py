"""`schema`. The documents themselves: tests/worker/commands/test_schema.py."""

from pathlib import Path

import click
import pytest

from tests.support.worker_process import ROOT
from tests.worker.cli.runner import invoke
from worker.cli.schema import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_schema_prints_the_committed_document(name: str) -> None:
    """If it is stale, run `sentiment-worker schema --all docs/schemas`."""
    assert invoke("schema", name).stdout == (ROOT / "docs" / "schemas" / f"{name}.json").read_text("utf-8")


def test_schema_writes_all_documents(tmp_path: Path) -> None:
    assert invoke("schema", "--all", str(tmp_path / "made")).exit_code == 0
    assert {file.stem for file in (tmp_path / "made").iterdir()} == set(NAMES)


@pytest.mark.parametrize("arguments", [[], ["review", "--all", "x"], ["nonsense"]])
def test_schema_needs_either_a_name_or_a_folder(arguments: list[str]) -> None:
    assert invoke("schema", *arguments).exit_code == click.UsageError.exit_code
