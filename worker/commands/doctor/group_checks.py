"""Can this worker join the group, and are the records reviews? Pure."""

from collections import Counter
from collections.abc import Collection
from typing import Final

from worker.broker.cluster.survey import Group, Topic
from worker.broker.contract import Record
from worker.commands.doctor.findings import Finding, failure, ok, warning
from worker.errors import UnreadableReview
from worker.wire.review import decode_review

PROTOCOL: Final = "cooperative-sticky"


def check_group(group: Group, partitions: int, instance_id: str | None) -> Finding:
    """Check whether the members of the group leave room for this worker."""
    members = len(group.members)
    if not members:
        return ok("group", f"{group.name}: no members")
    if group.protocol and group.protocol != PROTOCOL:
        seen = f"{group.name}: its {members} members share partitions by {group.protocol}, a worker by {PROTOCOL}"
        return failure("group", seen, "Other programs use this group: set another SENTIMENT_GROUP_ID")
    if instance_id is not None and instance_id in {member.instance_id for member in group.members}:
        seen = f"{group.name}: a member is called {instance_id} already"
        advice = "A second worker with this name stops the first: set another SENTIMENT_GROUP_INSTANCE_ID"
        return warning("group", seen, advice)
    if members >= partitions:
        seen = f"{group.name}: {members} members for {partitions} partitions"
        return warning("group", seen, "One more worker would be idle: add partitions first")
    return ok("group", f"{group.name}: {members} members, {group.state.lower()}")


def check_records(topic: Topic, records: Collection[Record]) -> Finding:
    """Check whether the newest records are reviews. They are counted, never shown."""
    problems = Counter(problem for record in records if (problem := _problem(record)))
    if not records:
        return ok("records", f"{topic.name}: has no records to check")
    if not problems:
        return ok("records", f"{topic.name}: all of the newest {len(records)} are reviews")
    why = ", ".join(f"{number} {problem}" for problem, number in problems.most_common())
    seen = f"{topic.name}: {problems.total()} of the newest {len(records)} are not reviews: {why}"
    advice = "They become dead letters. Fix the producer of this topic; docs/messages.md says what a review is"
    return warning("records", seen, advice)


def _problem(record: Record) -> str | None:
    if record.value is None:
        return None if record.key is not None else "keyless_tombstone"
    try:
        decode_review(record.value)
    except UnreadableReview as exc:
        return exc.reason
    return None
