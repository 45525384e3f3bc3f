"""Do the three topics exist, do they fit each other, and may we use them? Pure."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.broker.cluster.survey import Topic
from worker.commands.doctor.findings import Finding, failure, ok, skipped, warning

HEADERS_BYTES: Final = 4096  # the headers that a dead letter has in addition to its record's, its error included
SHORT_RETENTION_MS: Final = 3_600_000
SEE_SECURITY: Final = "docs/security.md lists what a worker needs"


class WorkerTopics(NamedTuple):
    """The three topics of a worker, as they are in the cluster."""

    input: Topic
    output: Topic
    dlq: Topic


def check_topics(topics: WorkerTopics) -> Iterator[Finding]:
    """Yield every finding about the topics themselves. If one is missing, only that is reported."""
    yield from map(_exists, topics)
    if any(topic.visibility != "there" for topic in topics):
        return
    yield _partitions(topics)
    yield from _permissions(topics)
    yield from map(_replicas, topics)
    if hidden := ", ".join(topic.name for topic in topics if topic.configs is None):
        seen = f"this user may not read the settings of {hidden}: sizes, retention and replicas are not checked"
        advice = "Run doctor as a user with DescribeConfigs on the topics; the worker itself does not need it"
        yield skipped("topic settings", seen, advice)
        return
    yield _sizes(topics)
    yield from map(_in_sync, topics)
    yield _retention(topics.input)
    yield from map(_compaction, (topics.output, topics.dlq))


def _exists(topic: Topic) -> Finding:
    if topic.visibility == "missing":
        advice = "Create it: `sentiment-worker topics` does; `run` never does"
        return failure("topic", f"{topic.name}: no such topic", advice)
    if topic.visibility == "denied":
        advice = f"Grant Read on the input topic, Write on the others: {SEE_SECURITY}"
        return failure("topic", f"{topic.name}: the broker does not allow this user Describe on it", advice)
    if topic.leaderless:
        advice = "Bring back the brokers that hold them; until then the worker waits"
        seen = f"{topic.name}: {topic.leaderless} of {topic.partitions} partitions have no leader"
        return failure("topic", seen, advice)
    return ok("topic", f"{topic.name}: {topic.partitions} partitions")


def _partitions(topics: WorkerTopics) -> Finding:
    counts = ", ".join(f"{topic.name} {topic.partitions}" for topic in topics)
    if len({topic.partitions for topic in topics}) == 1:
        return ok("partition counts", f"equal: {counts}")
    advice = (
        "Results then go to the partition of their key's hash. To keep the input's partition, make the counts equal"
    )
    return warning("partition counts", f"differ: {counts}", advice)


def _permissions(topics: WorkerTopics) -> Iterator[Finding]:
    for topic, operation in ((topics.input, "READ"), (topics.output, "WRITE"), (topics.dlq, "WRITE")):
        what = f"{operation.capitalize()} on topic {topic.name}"
        if topic.operations is None:
            yield skipped("permission", f"{what}: this broker does not report permissions")
        elif operation in topic.operations:
            yield ok("permission", what)
        else:
            yield failure("permission", f"the broker does not allow this user {what}", f"Grant it; {SEE_SECURITY}")


def _replicas(topic: Topic) -> Finding:
    if topic.in_sync < topic.replicas:
        seen = f"{topic.name}: a partition has {topic.in_sync} of {topic.replicas} replicas in sync"
        return warning("replicas", seen, "Check the brokers that are behind or down")
    if topic.replicas == 1:
        advice = "Fine for a test. If a lost disk must not lose reviews, use three"
        return warning("replicas", f"{topic.name}: one replica", advice)
    return ok("replicas", f"{topic.name}: {topic.replicas}, all in sync")


def _in_sync(topic: Topic) -> Finding:
    needed = _number(topic, "min.insync.replicas")
    if needed > topic.replicas:
        seen = f"{topic.name}: {needed}, and the topic has {topic.replicas}: nothing can be stored there"
        advice = "Lower min.insync.replicas, or give the topic more replicas"
        return failure("min.insync.replicas", seen, advice)
    if needed > topic.in_sync:
        seen = f"{topic.name}: {needed}, and {topic.in_sync} of {topic.replicas} are in sync: nothing can be stored now"
        return failure("min.insync.replicas", seen, "Bring the missing brokers back; the worker waits until then")
    return ok("min.insync.replicas", f"{topic.name}: {needed} of {topic.replicas}")


def _sizes(topics: WorkerTopics) -> Finding:
    input_bytes, dlq_bytes = _number(topics.input, "max.message.bytes"), _number(topics.dlq, "max.message.bytes")
    seen = f"{topics.input.name} takes {input_bytes} bytes a message, {topics.dlq.name} {dlq_bytes}"
    if dlq_bytes >= input_bytes + HEADERS_BYTES:
        return ok("message sizes", seen)
    advice = f"Raise max.message.bytes of {topics.dlq.name} to {input_bytes + HEADERS_BYTES} or more"
    if dlq_bytes >= input_bytes:
        why = "a dead letter has more headers than its record, so it may be too large"
        return warning("message sizes", f"{seen}: {why}", advice)
    why = "a large record that is not a review would be too large as a dead letter, and stop the worker (status 8)"
    return failure("message sizes", f"{seen}: {why}", advice)


def _retention(topic: Topic) -> Finding:
    retention_ms = _number(topic, "retention.ms")
    if 0 <= retention_ms < SHORT_RETENTION_MS:
        seen = f"{topic.name}: {retention_ms / 60_000:.0f} minutes: a worker that is down for that long loses reviews"
        return warning("retention", seen, "Raise retention.ms of the input topic")
    kept = "forever" if retention_ms < 0 else f"{retention_ms / 3_600_000:.0f} hours"
    return ok("retention", f"{topic.name}: {kept}")


def _compaction(topic: Topic) -> Finding:
    policy = (topic.configs or {})["cleanup.policy"]
    if "compact" in policy:
        seen = f"{topic.name}: {policy}: rejects messages without a key, and keeps only the newest one of each key"
        return warning("cleanup policy", seen, "Use it only if every review has a key of its own")
    return ok("cleanup policy", f"{topic.name}: {policy}")


def _number(topic: Topic, name: str) -> int:
    return int((topic.configs or {})[name])
