"""What a worker needs, and nothing more: docs/security.md shows this list, and the tests grant it."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from tests.support.stage import Stage

BOTH = "both"
EXACTLY_ONCE = "`exactly_once`"


class Permission(NamedTuple):
    """One operation on one resource."""

    resource: ResourceType
    setting: str  # that holds the resource's name
    operation: ACLOperation
    purpose: str
    delivery: str = BOTH

    @property
    def kind(self) -> str:
        """What Kafka's documents call the resource."""
        name: str = self.resource.name
        return name.replace("_", " ").capitalize()

    @property
    def row(self) -> str:
        """As docs/security.md has it."""
        operation: str = self.operation.name.capitalize()
        return f"| {self.kind} | `{self.setting}` | {operation} | {self.purpose} | {self.delivery} |"

    def on(self, stage: Stage) -> ResourcePattern:
        """The resource there; of a transactional id that is not set, all that the worker may make up."""
        names = {
            "input_topic": stage.topics.input,
            "output_topic": stage.topics.output,
            "dlq_topic": stage.topics.dlq,
            "group_id": stage.group,
            "transactional_id": f"{stage.group}.",
        }
        prefixed = self.resource is ResourceType.TRANSACTIONAL_ID
        pattern = ACLResourcePatternType.PREFIXED if prefixed else ACLResourcePatternType.LITERAL
        return ResourcePattern(self.resource, names[self.setting], pattern)


LEAST_PRIVILEGE = (
    Permission(ResourceType.TOPIC, "input_topic", ACLOperation.READ, "read the reviews, commit their offsets"),
    Permission(ResourceType.TOPIC, "output_topic", ACLOperation.WRITE, "publish the results"),
    Permission(ResourceType.TOPIC, "dlq_topic", ACLOperation.WRITE, "publish dead letters"),
    Permission(ResourceType.GROUP, "group_id", ACLOperation.READ, "join the group, commit its offsets"),
    Permission(
        ResourceType.TRANSACTIONAL_ID,
        "transactional_id",
        ACLOperation.WRITE,
        "store results and offsets as one",
        EXACTLY_ONCE,
    ),
)


@contextmanager
def granted(stage: Stage, principal: str, permissions: Iterable[Permission]) -> Iterator[None]:
    """The principal may do this, on the stage's topics and under its names, while inside."""
    acls = [
        ACL(principal, "*", permission.operation, ACLPermissionType.ALLOW, permission.on(stage))
        for permission in permissions
    ]
    with closing(KafkaAdminClient(bootstrap_servers=stage.address)) as admin:
        assert not admin.create_acls(acls)["failed"]
        try:
            yield
        finally:
            admin.delete_acls(acls)
