"""Can this worker take its place in the group, and what waits for it there? Pure."""

from collections import Counter
from collections.abc import Collection
from typing import Final

from worker.broker.cluster.survey import Group, Topic
from worker.broker.contract import Record
from worker.commands.doctor.findings import Finding
from worker.errors import UnreadableReview
from worker.wire.review import decode_review

PROTOCOL: Final = "cooperative-sticky"


def check_group(group: Group, partitions: int, instance_id: str | None) -> Finding:
    """Who is in it, and whether they would have us."""
    members = len(group.members)
    if not members:
        return Finding.ok("group", f"{group.name}: no members")
    if group.protocol and group.protocol != PROTOCOL:
        return Finding.failure(
            "group",
            f"{group.name}: its {members} members share partitions by {group.protocol}, a worker by {PROTOCOL}",
            "Other programs use this group: set another SENTIMENT_GROUP_ID",
        )
    if instance_id is not None and instance_id in {member.instance_id for member in group.members}:
        return Finding.warning(
            "group",
            f"{group.name}: a member is called {instance_id} already",
            "Another worker that starts under this name ends that one: set another SENTIMENT_GROUP_INSTANCE_ID",
        )
    if members >= partitions:
        return Finding.warning(
            "group",
            f"{group.name}: {members} members for {partitions} partitions",
            "One more worker would be idle: add partitions first",
        )
    return Finding.ok("group", f"{group.name}: {members} members, {group.state.lower()}")


def check_records(topic: Topic, records: Collection[Record]) -> Finding:
    """Whether the newest records are reviews; they are counted, never shown."""
    problems = Counter(problem for record in records if (problem := _problem(record)))
    if not records:
        return Finding.ok("records", f"{topic.name}: holds none to look at")
    if not problems:
        return Finding.ok("records", f"{topic.name}: all of the newest {len(records)} are reviews")
    why = ", ".join(f"{number} {problem}" for problem, number in problems.most_common())
    return Finding.warning(
        "records",
        f"{topic.name}: {problems.total()} of the newest {len(records)} are no reviews: {why}",
        "They become dead letters. Mend what writes this topic; docs/messages.md says what a review is",
    )


def _problem(record: Record) -> str | None:
    if record.value is None:
        return None if record.key is not None else "keyless_tombstone"
    try:
        decode_review(record.value)
    except UnreadableReview as exc:
        return exc.reason
    return None
