"""A worker needs the permissions that docs/security.md lists, and names the one that is missing."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ACLOperation, ResourceType

from tests.security.cluster import USER, SecuredListeners
from tests.security.permissions import LEAST_PRIVILEGE, Permission, granted
from tests.support.kafka_io import Message
from tests.support.stage import Stage
from tests.support.traffic import reviews
from worker.broker.clients import ClientName
from worker.broker.cluster.admin import create_topics
from worker.broker.connection import Connection
from worker.errors import AccessDenied

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BAD = Message(b"no review", key=b"bad", partition=0)
KINDS = tuple(f"| {permission.kind} |" for permission in LEAST_PRIVILEGE)
MISSING = [(permission, None) for permission in LEAST_PRIVILEGE] + [
    (permission, ACLOperation.DESCRIBE) for permission in LEAST_PRIVILEGE if permission.resource is ResourceType.TOPIC
]
# What is missed before anything is read is missed by kafka-python, whichever client reads.
UNSEEN = [(permission, None) for permission in LEAST_PRIVILEGE if permission.resource is ResourceType.TOPIC]
CASES: dict[ClientName, list[tuple[Permission, ACLOperation | None]]] = {
    "kafka-python": MISSING,
    "confluent": [case for case in MISSING if case not in UNSEEN],
}


def test_the_page_lists_what_these_tests_grant() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(KINDS)]
    assert rows == [permission.row for permission in LEAST_PRIVILEGE]


@pytest.mark.broker
@pytest.mark.parametrize(
    ("missing", "instead", "client"),
    [(*case, client) for client, cases in CASES.items() for case in cases],
    ids=[
        f"{missing.setting}-{'describe' if instead else 'nothing'}-{client}"
        for client, cases in CASES.items()
        for missing, instead in cases
    ],
)
def test_a_missing_permission_is_named(
    stage: Stage,
    listeners: SecuredListeners,
    missing: Permission,
    instead: ACLOperation | None,
    client: ClientName,
) -> None:
    rest = [permission for permission in LEAST_PRIVILEGE if permission is not missing]
    if instead is not None:
        rest.append(missing._replace(operation=instead))
    stage.traffic.send([*islice(reviews(seed=1), 4), BAD])
    with granted(stage, f"User:{USER}", rest):
        way = listeners.login("PLAIN") | {"client": client}
        worker = stage.start(log_level="ERROR", delivery="exactly_once", **way)
        status = worker.exit_status()
    # What is not even seen is missed before anything is done with it; the least that shows it is Describe.
    unseen = missing.resource is ResourceType.TOPIC and instead is None
    operation = "Describe" if unseen else missing.operation.name.capitalize()
    [line] = worker.log().splitlines()
    assert f"does not allow this user {operation} on {missing.kind.lower()} {missing.on(stage).resource_name}" in line
    assert status == (8 if missing.setting == "dlq_topic" and not unseen else 5)


@pytest.mark.broker
@pytest.mark.usefixtures("secured_broker")
def test_topics_says_that_creating_topics_is_not_permitted(listeners: SecuredListeners) -> None:
    way: dict[str, Any] = {name: str(value) for name, value in listeners.login("PLAIN").items()}
    with pytest.raises(AccessDenied, match="does not allow this user Create on topic new"):
        create_topics(Connection(**way), {"new": 1})
