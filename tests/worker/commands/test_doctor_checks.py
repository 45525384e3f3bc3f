"""What each check concludes from its facts. Gathering the facts is tested in tests/integration and tests/security."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from model.predictor import ModelInfo
from worker.broker.cluster.reaching import Reach
from worker.broker.cluster.survey import Cluster, Group, Member, Topic, Visibility
from worker.broker.contract import Record, TopicPartition
from worker.commands.doctor.clock_checks import check_clock, check_stamps
from worker.commands.doctor.findings import Finding, Verdict, failure, failure_from, ok
from worker.commands.doctor.group_checks import check_group, check_records
from worker.commands.doctor.machine_checks import (
    Memory,
    Port,
    check_engine,
    check_gpu,
    check_memory,
    check_port,
    check_settings,
)
from worker.commands.doctor.reach_checks import check_address, check_advertised, check_cluster, soften
from worker.commands.doctor.report import print_report
from worker.commands.doctor.topic_checks import WorkerTopics, check_topics
from worker.errors import AccessDenied, BrokerUnreachable
from worker.settings.schema import Settings

OK, WARNING, FAILURE, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILURE, Verdict.SKIPPED
ADDRESS = "broker:9092"
MIB = 2**20
PLAINTEXT = Reach(ADDRESS, spoken="plaintext")
TLS = Reach(ADDRESS, spoken="tls")
CONFIGS = {
    "max.message.bytes": "1048588",
    "min.insync.replicas": "2",
    "retention.ms": "604800000",
    "cleanup.policy": "delete",
}
GOOD = Topic("t", partitions=4, replicas=3, in_sync=3, operations=frozenset({"READ", "WRITE"}), configs=CONFIGS)
DLQ = replace(GOOD, name="dlq", configs=CONFIGS | {"max.message.bytes": "16777216"})
TOPICS = WorkerTopics(replace(GOOD, name="raw"), replace(GOOD, name="scored"), DLQ)
REVIEW = b'{"text": "canary"}'
INFO = ModelInfo("m", "1", "0" * 64, "torch cpu fp32, 2 threads", 1e-5)


def verdicts(findings: Iterable[Finding]) -> dict[str, Verdict]:
    """The worst verdict of each check."""
    order = [OK, SKIPPED, WARNING, FAILURE]
    found: dict[str, Verdict] = {}
    for finding in findings:
        found[finding.check] = max(finding.verdict, found.get(finding.check, OK), key=order.index)
    return found


def only(findings: Iterable[Finding], check: str) -> Finding:
    """The one finding of this check that is not ok."""
    [bad] = [finding for finding in findings if finding.check == check and finding.verdict is not OK]
    return bad


# Findings


def test_a_worker_error_becomes_a_failure_whose_last_sentence_is_the_advice() -> None:
    finding = failure_from(
        "x", AccessDenied("logging in failed: wrong password. Check sasl_mechanism and the password")
    )
    assert finding == failure("x", "logging in failed: wrong password", "Check sasl_mechanism and the password")
    assert failure_from("x", AccessDenied("no")).seen == "no"


def test_the_report_has_a_line_for_what_was_seen_and_one_for_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [failure("clock", "is \x1b[2J wrong", "Set it"), ok("x", "y")]
    assert print_report(findings, as_json=False) == ["clock"]
    assert capsys.readouterr().out.splitlines() == [
        "failure  clock: 'is \\x1b[2J wrong'",
        "         -> Set it",
        "ok       x: y",
        "1 ok, 0 warning, 1 failure, 0 skipped",
    ]
    print_report(findings, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "findings": [
            {"check": "clock", "verdict": "failure", "seen": "is \x1b[2J wrong", "advice": "Set it"},
            {"check": "x", "verdict": "ok", "seen": "y", "advice": None},
        ],
        "counts": {"ok": 1, "warning": 0, "failure": 1, "skipped": 0},
    }


# Addresses


@pytest.mark.parametrize(
    ("reach", "protocol", "error", "seen", "advice"),
    [
        (Reach(ADDRESS, name_error="unknown"), "SSL", None, "name is not known here (unknown)", "BOOTSTRAP_SERVERS"),
        (Reach(ADDRESS, port_error="Connection refused"), "SSL", None, "port does not answer", "Check the port"),
        (PLAINTEXT, "SSL", None, "speaks plaintext", "SECURITY_PROTOCOL=PLAINTEXT"),
        (PLAINTEXT, "SASL_SSL", None, "speaks plaintext", "SECURITY_PROTOCOL=SASL_PLAINTEXT"),
        (TLS, "PLAINTEXT", None, "speaks TLS", "SECURITY_PROTOCOL=SSL"),
        (TLS, "SASL_PLAINTEXT", None, "speaks TLS", "SECURITY_PROTOCOL=SASL_SSL"),
        (Reach(ADDRESS, spoken="silence"), "PLAINTEXT", None, "says nothing", "Check host and port"),
        (Reach(ADDRESS, spoken="something else"), "PLAINTEXT", None, "is not Kafka", "Check host and port"),
        (PLAINTEXT, "PLAINTEXT", BrokerUnreachable("no. Check it"), ADDRESS, "SASL_PLAINTEXT"),
    ],
)
def test_the_first_layer_that_fails_is_reported(
    reach: Reach, protocol: str, error: BrokerUnreachable | None, seen: str, advice: str
) -> None:
    """The last one: a listener that disconnects a client without a login may want one."""
    finding = check_address(reach, protocol, error)
    assert finding.verdict is FAILURE
    assert seen in finding.seen
    assert ADDRESS in finding.seen
    assert advice in str(finding.advice)


def test_a_rejected_login_is_reported_with_the_brokers_message() -> None:
    error = AccessDenied("connecting failed: Invalid username or password. Check sasl_mechanism")
    assert check_address(TLS, "SASL_SSL", error) == failure_from("broker", error)


def test_an_address_that_fails_is_a_warning_while_another_one_works() -> None:
    good = check_address(PLAINTEXT, "PLAINTEXT")
    bad = check_address(Reach("gone:1", name_error="unknown"), "PLAINTEXT")
    assert [finding.verdict for finding in soften([good, bad])] == [OK, WARNING]
    assert [finding.verdict for finding in soften([bad, bad])] == [FAILURE, FAILURE]


def test_an_advertised_address_that_cannot_be_reached_is_named() -> None:
    good, bad = PLAINTEXT, Reach("internal:9092", name_error="unknown")
    assert check_advertised([good]).verdict is OK
    finding = check_advertised([good, bad])
    assert finding.verdict is FAILURE
    assert "internal:9092" in finding.seen
    assert ADDRESS not in finding.seen


# Topics


def test_good_topics_are_all_ok() -> None:
    assert set(verdicts(check_topics(TOPICS)).values()) == {OK}


@pytest.mark.parametrize(("visibility", "seen"), [("missing", "no such topic"), ("denied", "does not allow this user")])
def test_a_missing_or_hidden_topic_is_named_and_the_checks_that_depend_on_it_are_left_out(
    visibility: Visibility, seen: str
) -> None:
    found = list(check_topics(TOPICS._replace(output=Topic("scored", visibility))))
    assert verdicts(found) == {"topic": FAILURE}
    assert seen in only(found, "topic").seen
    assert "scored" in only(found, "topic").seen


@pytest.mark.parametrize(
    ("name", "change", "check", "verdict", "seen"),
    [
        ("output", {"partitions": 7}, "partition counts", WARNING, "scored 7"),
        ("input", {"leaderless": 2}, "topic", FAILURE, "raw: 2 of 4"),
        ("input", {"operations": frozenset({"WRITE"})}, "permission", FAILURE, "Read"),
        ("dlq", {"operations": frozenset({"READ"})}, "permission", FAILURE, "Write on topic dlq"),
        ("dlq", {"operations": None}, "permission", SKIPPED, "does not report permissions"),
        ("output", {"in_sync": 2}, "replicas", WARNING, "2 of 3"),
        ("output", {"in_sync": 1}, "min.insync.replicas", FAILURE, "1 of 3 are in sync"),
        ("output", {"replicas": 1, "in_sync": 1}, "min.insync.replicas", FAILURE, "scored: 2, and the topic has 1"),
        ("input", {"configs": None}, "topic settings", SKIPPED, "settings of raw"),
    ],
)
def test_a_problem_of_a_topic_is_named(
    name: str, change: dict[str, Any], check: str, verdict: Verdict, seen: str
) -> None:
    finding = only(check_topics(TOPICS._replace(**{name: replace(getattr(TOPICS, name), **change)})), check)
    assert finding.verdict is verdict
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("name", "setting", "value", "check", "verdict"),
    [
        ("dlq", "max.message.bytes", "1000", "message sizes", FAILURE),
        ("dlq", "max.message.bytes", "1048588", "message sizes", WARNING),
        ("input", "retention.ms", "60000", "retention", WARNING),
        ("input", "retention.ms", "-1", "retention", OK),
        ("output", "cleanup.policy", "compact", "cleanup policy", WARNING),
        ("dlq", "cleanup.policy", "compact,delete", "cleanup policy", WARNING),
    ],
)
def test_settings_of_topics_that_do_not_fit_are_found(
    name: str, setting: str, value: str, check: str, verdict: Verdict
) -> None:
    topic: Topic = getattr(TOPICS, name)
    changed = replace(topic, configs={**(topic.configs or {}), setting: value})
    assert verdicts(check_topics(TOPICS._replace(**{name: changed})))[check] is verdict


# One finding each


def group(*instance_ids: str | None, protocol: str = "cooperative-sticky") -> Finding:
    members = tuple(Member("c", "h", instance_id, frozenset()) for instance_id in instance_ids)
    return check_group(Group("g", "Stable", protocol, members), partitions=2, instance_id="pod-1")


def record(value: bytes | None, key: bytes | None = b"k", timestamp_ms: int | None = 1_000) -> Record:
    return Record(TopicPartition("raw", 0), 0, timestamp_ms, key, value)


def stamps(*stamps_ms: int | None) -> Finding:
    return check_stamps([record(b"{}", timestamp_ms=stamp_ms) for stamp_ms in stamps_ms], here_s=1_000.0)


def gpu(engine: str, device: str, devices: int) -> Finding:
    return check_gpu(replace(INFO, engine=engine), device, devices)


def memory(limit_mib: int, available_mib: int) -> Finding:
    """500 MiB with the model, and up to 128 MiB for reviews in flight."""
    found = Memory(500 * MIB, limit_mib * MIB, available_mib * MIB)
    return check_memory(found, Settings(max_inflight_bytes=64 * MIB))


def port(found: Port) -> Finding:
    return check_port(Settings(http_port=8123), found)


CASES = {
    "a group without members": (check_group(Group("g", "Dead", "", ()), 2, "pod-1"), OK, "no members"),
    "a group with room": (group(None), OK, "1 members, stable"),
    "a group with a member for each partition": (group(None, None), WARNING, "2 members for 2 partitions"),
    "a member with our name": (group("pod-1"), WARNING, "called pod-1 already"),
    "a group of other programs": (group(None, protocol="range"), FAILURE, "by range"),
    "no records": (check_records(TOPICS.input, []), OK, "no records"),
    "records that are reviews": (check_records(TOPICS.input, [record(REVIEW), record(None)]), OK, "all of the newest"),
    "a clock a little ahead": (check_clock(10_000.0, 10_004.0), OK, "within 5 s"),
    "a clock a little behind": (check_clock(10_000.0, 9_996.0), OK, "within 5 s"),
    "a clock ahead": (check_clock(10_000.0, 10_060.0), WARNING, "60 s ahead of the cluster"),
    "a clock behind": (check_clock(10_000.0, 1_000.0), WARNING, "9000 s behind the cluster"),
    "a clock too far ahead": (check_clock(10_000.0, 13_600.0), FAILURE, "no result would be stored"),
    "a cluster that does not report its time": (check_clock(None, 0.0), SKIPPED, "does not report its time"),
    "a record a little ahead": (stamps(1_004_000, None), OK, "none of the newest"),
    "an old record": (stamps(10_000, None), OK, "none of the newest"),
    "a record from the future": (stamps(1_006_000, None), WARNING, "stamped 6 s after"),
    "records without timestamps": (stamps(None), SKIPPED, "have none"),
    "the engine and its speed": (check_engine(INFO, 1234.5), OK, "2 threads: about 1,234 reviews/s of 230 words each"),
    "no GPU": (gpu("torch cpu fp32", "auto", 0), SKIPPED, "shows none"),
    "a GPU that is unused by mistake": (gpu("torch cpu fp32", "auto", 1), WARNING, "the engine finds none"),
    "a GPU that is unused on purpose": (gpu("torch cpu fp32", "cpu", 1), OK, "unused because"),
    "a GPU that is used": (gpu("torch cuda fp16, NVIDIA H100", "auto", 1), OK, "the engine uses one"),
    "enough memory": (memory(4_000, 3_000), OK, "500 MiB with the model, up to 128 MiB more"),
    "memory that others use": (memory(4_000, 100), WARNING, "100 MiB of 4,000 MiB are free"),
    "too little memory": (memory(600, 600), FAILURE, "600 MiB of 600 MiB are free"),
    "a free port": (port("free"), OK, "127.0.0.1:8123 is free"),
    "the port of a worker": (port("a worker"), WARNING, "127.0.0.1:8123: a sentiment-worker answers"),
    "a port that is taken": (port("taken"), FAILURE, "127.0.0.1:8123 cannot be listened on"),
    "the newest broker": (check_cluster(Cluster((4, 3), (ADDRESS,))), OK, "Kafka 4.3 or later, 1 broker"),
    "the oldest broker that is tested": (check_cluster(Cluster((4, 0), (ADDRESS,))), OK, "Kafka 4.0"),
    "an older broker": (check_cluster(Cluster((3, 9), (ADDRESS,))), WARNING, "Kafka 3.9"),
}


@pytest.mark.parametrize(("finding", "verdict", "seen"), CASES.values(), ids=CASES)
def test_a_check_concludes(finding: Finding, verdict: Verdict, seen: str) -> None:
    assert finding.verdict is verdict
    assert seen in finding.seen


def test_records_are_counted_and_never_shown() -> None:
    records = [record(REVIEW), record(b"canary"), record(b'{"text": 5}'), record(None, key=None)]
    finding = check_records(TOPICS.input, records)
    assert finding.verdict is WARNING
    assert "3 of the newest 4" in finding.seen
    assert all(f"1 {reason}" in finding.seen for reason in ("invalid_json", "invalid_review", "keyless_tombstone"))
    assert "canary" not in str(finding)


# Settings


FAST = 100_000.0


@pytest.mark.parametrize(
    ("settings", "speed", "seen"),
    [
        (Settings(session_timeout_ms=1_000), None, "session_timeout_ms is 1000"),
        (Settings(delivery="exactly_once"), FAST, "exactly_once without a name"),
        (Settings(), 10.0, "max_inflight_records (2000) takes about 200 s"),
        (Settings(max_batch_reviews=2000, drain_timeout_ms=200_000), 20.0, "stall_timeout_ms is 60000"),
        (Settings(max_poll_interval_ms=30_000), 16.0, "max_poll_interval_ms is 30000"),
    ],
)
def test_valid_but_unwise_settings_are_reported(settings: Settings, speed: float | None, seen: str) -> None:
    found = list(check_settings(settings, speed))
    assert {finding.verdict for finding in found} == {WARNING}
    assert [seen in finding.seen for finding in found].count(True) == 1


def test_the_defaults_are_ok_on_a_fast_machine() -> None:
    named = Settings(delivery="exactly_once", group_instance_id="pod-1")
    for settings in (Settings(), named):
        assert [finding.verdict for finding in check_settings(settings, FAST)] == [OK]
