"""Are the three topics there, do they fit each other, and may we use them? Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from worker.broker.cluster.survey import Topic
from worker.commands.doctor.findings import Finding

HEADERS_BYTES: Final = 4096  # what a dead letter has more than its record: headers, the error among them
SHORT_RETENTION_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Topics:
    """The three that a worker uses."""

    input: Topic
    output: Topic
    dlq: Topic

    @property
    def all(self) -> tuple[Topic, Topic, Topic]:
        """In the order of the path of a review."""
        return self.input, self.output, self.dlq


def check_topics(topics: Topics) -> Iterator[Finding]:
    """Yield everything that can be said of the topics themselves; what depends on a missing one is left out."""
    yield from map(_there, topics.all)
    if any(topic.visibility != "there" for topic in topics.all):
        return
    yield _partitions(topics)
    yield from _permissions(topics)
    yield from map(_replicas, topics.all)
    if any(topic.configs is None for topic in topics.all):
        hidden = ", ".join(topic.name for topic in topics.all if topic.configs is None)
        yield Finding.skipped(
            "topic settings",
            f"this user may not read the settings of {hidden}: sizes, retention and replicas are not checked",
            "Run doctor as a user with DescribeConfigs on the topics; the worker itself does not need it",
        )
        return
    yield _sizes(topics)
    yield from map(_in_sync, topics.all)
    yield _retention(topics.input)
    yield from map(_compaction, (topics.output, topics.dlq))


def _there(topic: Topic) -> Finding:
    if topic.visibility == "missing":
        return Finding.failure(
            "topic", f"{topic.name}: no such topic", "Create it: `sentiment-worker topics` does; `run` never does"
        )
    if topic.visibility == "denied":
        advice = "Grant Read on the input topic, Write on the others: docs/security.md lists what a worker needs"
        return Finding.failure("topic", f"{topic.name}: the broker does not allow this user Describe on it", advice)
    if topic.leaderless:
        advice = "Bring the brokers back that hold them; until then the worker waits"
        seen = f"{topic.name}: {topic.leaderless} of {topic.partitions} partitions have no leader"
        return Finding.failure("topic", seen, advice)
    return Finding.ok("topic", f"{topic.name}: {topic.partitions} partitions")


def _partitions(topics: Topics) -> Finding:
    counts = ", ".join(f"{topic.name} {topic.partitions}" for topic in topics.all)
    if topics.input.partitions == topics.output.partitions == topics.dlq.partitions:
        return Finding.ok("partition counts", f"equal: {counts}")
    return Finding.warning(
        "partition counts",
        f"differ: {counts}",
        "Results go by the hash of their key and do not keep their partition. Give the topics as many as the input has",
    )


def _permissions(topics: Topics) -> Iterator[Finding]:
    for topic, operation in ((topics.input, "READ"), (topics.output, "WRITE"), (topics.dlq, "WRITE")):
        what = f"{operation.capitalize()} on topic {topic.name}"
        if topic.operations is None:
            yield Finding.skipped("permission", f"{what}: this broker does not tell what is allowed")
        elif operation in topic.operations:
            yield Finding.ok("permission", what)
        else:
            advice = "Grant it; docs/security.md lists what a worker needs"
            yield Finding.failure("permission", f"the broker does not allow this user {what}", advice)


def _replicas(topic: Topic) -> Finding:
    if topic.in_sync < topic.replicas:
        seen = f"{topic.name}: {topic.in_sync} of {topic.replicas} replicas are in sync somewhere"
        return Finding.warning("replicas", seen, "Look after the brokers that are behind or down")
    if topic.replicas == 1:
        seen = f"{topic.name}: one replica"
        return Finding.warning(
            "replicas", seen, "Fine for a try; where reviews must not be lost with a disk, give it three"
        )
    return Finding.ok("replicas", f"{topic.name}: {topic.replicas}, all in sync")


def _in_sync(topic: Topic) -> Finding:
    needed = _number(topic, "min.insync.replicas")
    if needed > topic.replicas:
        return Finding.failure(
            "min.insync.replicas",
            f"{topic.name}: {needed}, and the topic has {topic.replicas}: nothing can be stored there",
            "Lower min.insync.replicas, or give the topic more replicas",
        )
    if needed > topic.in_sync:
        return Finding.failure(
            "min.insync.replicas",
            f"{topic.name}: {needed}, and {topic.in_sync} of {topic.replicas} are in sync: nothing can be stored now",
            "Bring the missing brokers back; the worker waits until then",
        )
    return Finding.ok("min.insync.replicas", f"{topic.name}: {needed} of {topic.replicas}")


def _sizes(topics: Topics) -> Finding:
    read, buried = _number(topics.input, "max.message.bytes"), _number(topics.dlq, "max.message.bytes")
    seen = f"{topics.input.name} takes {read} bytes a message, {topics.dlq.name} {buried}"
    if buried >= read + HEADERS_BYTES:
        return Finding.ok("message sizes", seen)
    advice = f"Raise max.message.bytes of {topics.dlq.name} to {read + HEADERS_BYTES} or more"
    if buried < read:
        seen += ": a large record that is no review could not be buried, and would stop the worker (status 8)"
        return Finding.failure("message sizes", seen, advice)
    seen += ": a dead letter is larger than its record by its headers"
    return Finding.warning("message sizes", seen, advice)


def _retention(topic: Topic) -> Finding:
    retention_ms = _number(topic, "retention.ms")
    if 0 <= retention_ms < SHORT_RETENTION_MS:
        seen = f"{topic.name}: {retention_ms / 60_000:.0f} minutes: a worker that stands still so long loses reviews"
        return Finding.warning("retention", seen, "Raise retention.ms of the input topic")
    kept = "for ever" if retention_ms < 0 else f"{retention_ms / 3_600_000:.0f} hours"
    return Finding.ok("retention", f"{topic.name}: {kept}")


def _compaction(topic: Topic) -> Finding:
    policy = (topic.configs or {})["cleanup.policy"]
    if "compact" in policy:
        seen = f"{topic.name}: {policy}: it refuses what has no key, and keeps only the newest of each key"
        return Finding.warning("cleanup policy", seen, "Right only where every review has a key of its own")
    return Finding.ok("cleanup policy", f"{topic.name}: {policy}")


def _number(topic: Topic, name: str) -> int:
    return int((topic.configs or {})[name])
