"""A worker that cannot start says why in one line, with an exit status of its own, within 15 seconds."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ACLOperation, ResourceType

from model.artifact import WEIGHTS
from tests.support.kafka_io import delete_topics, denied
from tests.support.stage import Stage

pytestmark = pytest.mark.broker

TOLD_WITHIN_S = 15.0


def told(stage: Stage, **settings: Any) -> tuple[int, str]:
    """Start a worker that cannot work: its exit status and the one line that it says on the way out."""
    worker = stage.start(log_level="ERROR", **settings)
    status = worker.exit_status(limit_s=TOLD_WITHIN_S)
    [line] = worker.log().splitlines()
    return status, line


@pytest.mark.parametrize("which", ["input", "output", "dlq"])
def test_a_topic_that_does_not_exist_is_named(stage: Stage, which: str) -> None:
    """Status 4, within 15 s and in one line, like every error that prevents a start."""
    missing = getattr(stage.topics, which)
    delete_topics(stage.address, [missing])
    status, line = told(stage)
    assert status == 4
    assert missing in line


def test_an_address_where_no_broker_answers_is_named(stage: Stage) -> None:
    """Status 3."""
    status, line = told(stage, bootstrap_servers="127.0.0.1:1")
    assert status == 3
    assert "127.0.0.1:1" in line


def test_an_artifact_that_does_not_exist_is_named(stage: Stage, tmp_path: Path) -> None:
    """Status 6."""
    status, line = told(stage, model=tmp_path / "nowhere")
    assert status == 6
    assert str(tmp_path / "nowhere") in line


def test_a_damaged_artifact_is_refused_and_the_damaged_file_is_named(
    stage: Stage, tiny_artifact: Path, tmp_path: Path
) -> None:
    """Status 6, even if a single bit differs from the manifest."""
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_artifact, damaged)
    weights = bytearray((damaged / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (damaged / WEIGHTS).write_bytes(weights)
    status, line = told(stage, model=damaged)
    assert status == 6
    assert str(damaged / WEIGHTS) in line
    assert "sha256" in line


def test_a_port_in_use_is_named_with_the_setting_that_changes_it(stage: Stage) -> None:
    """Status 7."""
    port = stage.start().until_ready().port
    status, line = told(stage, http_port=port)
    assert status == 7
    assert f"127.0.0.1:{port}" in line
    assert "SENTIMENT_HTTP_PORT" in line


@pytest.mark.parametrize(
    ("resource", "which", "operation"),
    [
        (ResourceType.TOPIC, "input", ACLOperation.DESCRIBE),
        (ResourceType.TOPIC, "input", ACLOperation.READ),
        (ResourceType.TOPIC, "output", ACLOperation.DESCRIBE),
        (ResourceType.GROUP, "group", ACLOperation.READ),
    ],
    ids=["describe-input", "read-input", "describe-output", "read-group"],
)
def test_a_missing_permission_is_named(
    stage: Stage, resource: ResourceType, which: str, operation: ACLOperation
) -> None:
    """Status 5, with the topic or the group."""
    name = stage.group if which == "group" else getattr(stage.topics, which)
    with denied(stage.address, resource, name, operation):
        status, line = told(stage)
    assert status == 5
    assert name in line
