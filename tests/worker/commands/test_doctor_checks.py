"""What each check concludes from its facts. Gathering the facts is tested in tests/integration and tests/security."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from model.predictor import ModelInfo
from worker.broker.cluster.reaching import Reach, Spoken
from worker.broker.cluster.survey import Cluster, Group, Member, Topic, Visibility
from worker.broker.contract import Record, TopicPartition
from worker.commands.doctor import report
from worker.commands.doctor.clock_checks import check_clock, check_stamps
from worker.commands.doctor.findings import Finding, Severity
from worker.commands.doctor.group_checks import check_group, check_records
from worker.commands.doctor.machine_checks import (
    Memory,
    Port,
    Speed,
    check_engine,
    check_gpu,
    check_memory,
    check_port,
    check_settings,
)
from worker.commands.doctor.reach_checks import Attempt, check_address, check_advertised, check_cluster, soften
from worker.commands.doctor.topic_checks import WorkerTopics, check_topics
from worker.errors import AccessDenied, BrokerUnreachable
from worker.settings.schema import Settings

OK, WARNING, FAILURE, SKIPPED = Severity.OK, Severity.WARNING, Severity.FAILURE, Severity.SKIPPED
ADDRESS = "broker:9092"
MIB = 2**20
CONFIGS = {
    "max.message.bytes": "1048588",
    "min.insync.replicas": "2",
    "retention.ms": "604800000",
    "cleanup.policy": "delete",
}
GOOD = Topic("t", partitions=4, replicas=3, in_sync=3, operations=frozenset({"READ", "WRITE"}), configs=CONFIGS)
DLQ = replace(GOOD, name="dlq", configs=CONFIGS | {"max.message.bytes": "16777216"})
TOPICS = WorkerTopics(replace(GOOD, name="raw"), replace(GOOD, name="scored"), DLQ)
INFO = ModelInfo("m", "1", "0" * 64, "torch cpu fp32, 2 threads", 1e-5)


def severities(findings: Iterable[Finding]) -> dict[str, Severity]:
    """The worst severity of each check."""
    order = [OK, SKIPPED, WARNING, FAILURE]
    found: dict[str, Severity] = {}
    for finding in findings:
        found[finding.check] = max(finding.severity, found.get(finding.check, OK), key=order.index)
    return found


def only(findings: Iterable[Finding], check: str) -> Finding:
    """The one finding of this check that is not ok."""
    [bad] = [finding for finding in findings if finding.check == check and finding.severity is not OK]
    return bad


# Findings


def test_a_worker_error_becomes_a_failure_whose_last_sentence_is_the_advice() -> None:
    finding = Finding.from_error(
        "x", AccessDenied("logging in failed: wrong password. Check sasl_mechanism and the password")
    )
    assert finding == Finding.failure("x", "logging in failed: wrong password", "Check sasl_mechanism and the password")
    assert Finding.from_error("x", AccessDenied("no")).seen == "no"


def test_the_report_has_a_line_for_what_was_seen_and_one_for_what_to_do() -> None:
    finding = Finding.warning("clock", "is \x1b[2J wrong", "Set it")
    assert report.lines(finding).count("\n") == 1
    assert "\x1b[2J" not in report.lines(finding)
    shown = [finding, Finding.ok("x", "y")]
    assert report.summary(shown) == "1 ok, 1 warning, 0 failure, 0 skipped"
    assert (
        report.document(shown)["counts"] == report.count(shown) == {"ok": 1, "warning": 1, "failure": 0, "skipped": 0}
    )


# Addresses


@pytest.mark.parametrize(
    ("reach", "protocol", "seen", "advice"),
    [
        (Reach(ADDRESS, name_error="Name or service not known"), "SSL", "name is not known", "BOOTSTRAP_SERVERS"),
        (Reach(ADDRESS, port_error="Connection refused"), "SSL", "port does not answer", "Check the port"),
        (Reach(ADDRESS, spoken="plaintext"), "SSL", "speaks plaintext", "SECURITY_PROTOCOL=PLAINTEXT"),
        (Reach(ADDRESS, spoken="plaintext"), "SASL_SSL", "speaks plaintext", "SECURITY_PROTOCOL=SASL_PLAINTEXT"),
        (Reach(ADDRESS, spoken="tls"), "PLAINTEXT", "speaks TLS", "SECURITY_PROTOCOL=SSL"),
        (Reach(ADDRESS, spoken="tls"), "SASL_PLAINTEXT", "speaks TLS", "SECURITY_PROTOCOL=SASL_SSL"),
        (Reach(ADDRESS, spoken="silence"), "PLAINTEXT", "says nothing", "Check host and port"),
        (Reach(ADDRESS, spoken="something else"), "PLAINTEXT", "is not Kafka", "Check host and port"),
    ],
)
def test_the_first_layer_that_fails_is_reported(reach: Reach, protocol: str, seen: str, advice: str) -> None:
    finding = check_address(Attempt(reach), protocol)
    assert finding.severity is FAILURE
    assert seen in finding.seen
    assert ADDRESS in finding.seen
    assert advice in finding.advice


def attempt(spoken: Spoken, error: AccessDenied | BrokerUnreachable | None) -> Attempt:
    return Attempt(Reach(ADDRESS, spoken=spoken), error)


def test_a_rejected_login_is_reported_with_the_brokers_message() -> None:
    error = AccessDenied("connecting failed: Invalid username or password. Check sasl_mechanism")
    finding = check_address(attempt("tls", error), "SASL_SSL")
    assert (finding.severity, finding.advice) == (FAILURE, "Check sasl_mechanism")
    assert "Invalid username" in finding.seen


def test_a_listener_that_disconnects_a_client_without_a_login_may_want_one() -> None:
    finding = check_address(attempt("plaintext", BrokerUnreachable("no. Check it")), "PLAINTEXT")
    assert "SASL_PLAINTEXT" in finding.advice


def test_an_address_that_fails_is_a_warning_while_another_one_works() -> None:
    good = check_address(attempt("plaintext", None), "PLAINTEXT")
    bad = check_address(Attempt(Reach("gone:1", name_error="unknown")), "PLAINTEXT")
    assert [finding.severity for finding in soften([good, bad])] == [OK, WARNING]
    assert [finding.severity for finding in soften([bad, bad])] == [FAILURE, FAILURE]


def test_an_advertised_address_that_cannot_be_reached_is_named() -> None:
    good, bad = Reach(ADDRESS, spoken="plaintext"), Reach("internal:9092", name_error="unknown")
    assert check_advertised([good]).severity is OK
    finding = check_advertised([good, bad])
    assert finding.severity is FAILURE
    assert "internal:9092" in finding.seen
    assert ADDRESS not in finding.seen


@pytest.mark.parametrize(("version", "severity"), [((4, 3), OK), ((4, 0), OK), ((3, 9), WARNING)])
def test_a_broker_older_than_those_tested_is_a_warning(version: tuple[int, ...], severity: Severity) -> None:
    assert check_cluster(Cluster(version, (ADDRESS,))).severity is severity


# Topics


def test_good_topics_are_all_ok() -> None:
    assert set(severities(check_topics(TOPICS)).values()) == {OK}


@pytest.mark.parametrize(("visibility", "seen"), [("missing", "no such topic"), ("denied", "does not allow this user")])
def test_a_missing_or_hidden_topic_is_named_and_the_checks_that_depend_on_it_are_left_out(
    visibility: Visibility, seen: str
) -> None:
    found = list(check_topics(replace(TOPICS, output=Topic("scored", visibility))))
    assert severities(found) == {"topic": FAILURE}
    assert seen in only(found, "topic").seen
    assert "scored" in only(found, "topic").seen


@pytest.mark.parametrize(
    ("topics", "check", "severity", "seen"),
    [
        (replace(TOPICS, output=replace(TOPICS.output, partitions=7)), "partition counts", WARNING, "scored 7"),
        (replace(TOPICS, input=replace(TOPICS.input, leaderless=2)), "topic", FAILURE, "raw: 2 of 4"),
        (replace(TOPICS, input=replace(TOPICS.input, operations=frozenset({"WRITE"}))), "permission", FAILURE, "Read"),
        (
            replace(TOPICS, dlq=replace(DLQ, operations=frozenset({"READ"}))),
            "permission",
            FAILURE,
            "Write on topic dlq",
        ),
        (replace(TOPICS, dlq=replace(DLQ, operations=None)), "permission", SKIPPED, "does not report permissions"),
        (replace(TOPICS, output=replace(TOPICS.output, in_sync=2)), "replicas", WARNING, "2 of 3"),
        (
            replace(TOPICS, output=replace(TOPICS.output, in_sync=1)),
            "min.insync.replicas",
            FAILURE,
            "1 of 3 are in sync",
        ),
        (
            replace(TOPICS, output=replace(TOPICS.output, replicas=1, in_sync=1)),
            "min.insync.replicas",
            FAILURE,
            "scored: 2, and the topic has 1",
        ),
        (replace(TOPICS, input=replace(TOPICS.input, configs=None)), "topic settings", SKIPPED, "settings of raw"),
    ],
)
def test_a_problem_of_a_topic_is_named(topics: WorkerTopics, check: str, severity: Severity, seen: str) -> None:
    finding = only(check_topics(topics), check)
    assert finding.severity is severity
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("name", "setting", "value", "check", "severity"),
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
    name: str, setting: str, value: str, check: str, severity: Severity
) -> None:
    topic: Topic = getattr(TOPICS, name)
    changed = replace(topic, configs={**(topic.configs or {}), setting: value})
    kinds = {"input": TOPICS.input, "output": TOPICS.output, "dlq": TOPICS.dlq} | {name: changed}
    assert severities(check_topics(WorkerTopics(**kinds)))[check] is severity


# The group


def group(*instance_ids: str | None, protocol: str = "cooperative-sticky") -> Group:
    members = tuple(Member("c", "h", instance_id, frozenset()) for instance_id in instance_ids)
    return Group("g", "Stable", protocol, members)


@pytest.mark.parametrize(
    ("found", "severity", "seen"),
    [
        (Group("g", "Dead", "", ()), OK, "no members"),
        (group(None), OK, "1 members, stable"),
        (group(None, None), WARNING, "2 members for 2 partitions"),
        (group("pod-1"), WARNING, "called pod-1 already"),
        (group(None, protocol="range"), FAILURE, "by range"),
    ],
)
def test_a_group_without_room_for_this_worker_is_reported(found: Group, severity: Severity, seen: str) -> None:
    finding = check_group(found, partitions=2, instance_id="pod-1")
    assert finding.severity is severity
    assert seen in finding.seen


# Records and clocks


def record(value: bytes | None, key: bytes | None = b"k", timestamp_ms: int | None = 1_000) -> Record:
    return Record(TopicPartition("raw", 0), 0, timestamp_ms, key, value)


def test_records_are_counted_and_never_shown() -> None:
    review = record(b'{"text": "canary"}')
    assert check_records(TOPICS.input, []).severity is OK
    assert check_records(TOPICS.input, [review, record(None)]).severity is OK
    finding = check_records(TOPICS.input, [review, record(b"canary"), record(b'{"text": 5}'), record(None, key=None)])
    assert finding.severity is WARNING
    assert "3 of the newest 4" in finding.seen
    assert all(f"1 {reason}" in finding.seen for reason in ("invalid_json", "invalid_review", "keyless_tombstone"))
    assert "canary" not in finding.seen + finding.advice


@pytest.mark.parametrize(
    ("here_s", "severity", "seen"),
    [
        (10_004.0, OK, "within 5 s"),
        (9_996.0, OK, "within 5 s"),
        (10_060.0, WARNING, "60 s ahead of the cluster"),
        (1_000.0, WARNING, "9000 s behind the cluster"),
        (13_600.0, FAILURE, "no result would be stored"),
    ],
)
def test_a_clock_that_differs_from_the_clusters_is_reported(here_s: float, severity: Severity, seen: str) -> None:
    finding = check_clock(10_000.0, here_s)
    assert finding.severity is severity
    assert seen in finding.seen


def test_without_the_clusters_time_the_clock_is_skipped() -> None:
    assert check_clock(None, 0.0).severity is SKIPPED


@pytest.mark.parametrize(("stamp_s", "severity"), [(1_004.0, OK), (10.0, OK), (1_006.0, WARNING)])
def test_records_from_the_future_are_reported(stamp_s: float, severity: Severity) -> None:
    records = [record(b"{}", timestamp_ms=round(stamp_s * 1000)), record(b"{}", timestamp_ms=None)]
    assert check_stamps(records, here_s=1_000.0).severity is severity


def test_without_timestamps_the_check_is_skipped() -> None:
    assert check_stamps([record(b"{}", timestamp_ms=None)], here_s=0).severity is SKIPPED


# This machine


def test_the_engine_is_reported_with_its_speed() -> None:
    assert check_engine(INFO, Speed(1234.5, 230)).seen == (
        "torch cpu fp32, 2 threads: about 1,234 reviews/s of 230 words each"
    )


@pytest.mark.parametrize(
    ("engine", "device", "devices", "severity"),
    [
        ("torch cpu fp32", "auto", 0, SKIPPED),
        ("torch cpu fp32", "auto", 1, WARNING),
        ("torch cpu fp32", "cpu", 1, OK),
        ("torch cuda fp16, NVIDIA H100", "auto", 1, OK),
    ],
)
def test_a_gpu_that_is_unused_by_mistake_is_a_warning(
    engine: str, device: str, devices: int, severity: Severity
) -> None:
    assert check_gpu(replace(INFO, engine=engine), device, devices).severity is severity


@pytest.mark.parametrize(
    ("limit_mib", "available_mib", "severity"), [(4_000, 3_000, OK), (4_000, 100, WARNING), (600, 600, FAILURE)]
)
def test_memory_is_compared_with_the_most_that_may_be_in_flight(
    limit_mib: int, available_mib: int, severity: Severity
) -> None:
    memory = Memory(500 * MIB, limit_mib * MIB, available_mib * MIB)
    assert check_memory(memory, Settings(max_inflight_bytes=64 * MIB)).severity is severity


@pytest.mark.parametrize(("port", "severity"), [("free", OK), ("a worker", WARNING), ("taken", FAILURE)])
def test_a_port_that_is_not_free_is_reported(port: Port, severity: Severity) -> None:
    finding = check_port(Settings(http_port=8123), port)
    assert finding.severity is severity
    assert "127.0.0.1:8123" in finding.seen


FAST = Speed(100_000.0, 230)


@pytest.mark.parametrize(
    ("settings", "speed", "seen"),
    [
        (Settings(session_timeout_ms=1_000), None, "session_timeout_ms is 1000"),
        (Settings(delivery="exactly_once"), FAST, "exactly_once without a name"),
        (Settings(), Speed(10.0, 230), "max_inflight_records (2000) takes about 200 s"),
        (Settings(max_batch_reviews=2000, drain_timeout_ms=200_000), Speed(20.0, 230), "stall_timeout_ms is 60000"),
        (Settings(max_poll_interval_ms=30_000), Speed(16.0, 230), "max_poll_interval_ms is 30000"),
    ],
)
def test_valid_but_unwise_settings_are_reported(settings: Settings, speed: Speed | None, seen: str) -> None:
    found = list(check_settings(settings, speed))
    assert {finding.severity for finding in found} == {WARNING}
    assert [seen in finding.seen for finding in found].count(True) == 1


def test_the_defaults_are_ok_on_a_fast_machine() -> None:
    named = Settings(delivery="exactly_once", group_instance_id="pod-1")
    for settings in (Settings(), named):
        assert [finding.severity for finding in check_settings(settings, FAST)] == [OK]
