"""`doctor` names the cause of each of these problems. Those with TLS and logins are in tests/security."""

import json
import socket
import subprocess
import sys
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaConsumer
from kafka.admin import ACLOperation, ResourceType

from deploy.kafka.broker import Broker
from deploy.kafka.ports import free_ports
from tests.support.artifacts import damaged_copy
from tests.support.doctor import doctor, doctor_when
from tests.support.kafka_io import (
    MakeTopics,
    Message,
    Topics,
    create_topics,
    denied,
    produce,
    produce_in_transaction,
    read_all,
    set_topic_config,
)
from tests.support.stage import MakeStage
from tests.support.traffic import reviews
from tests.support.worker_process import ROOT, environment

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("logging_as_it_was")]

Settings = dict[str, object]
REVIEW = Message(b'{"text": "a fine film"}', key=b"k")
NO_HOST = "no-such-host.invalid:9092"
LARGE_BYTES = str(16 * 1024 * 1024)
EXPECTED_WARNINGS = {"replicas"}  # the tests use a single broker


@pytest.fixture
def three(broker: Broker, topics: MakeTopics) -> Topics:
    """Topics that doctor finds ok."""
    made = topics()
    set_topic_config(broker.address, made.dlq, "max.message.bytes", LARGE_BYTES)
    return made


@pytest.fixture
def settings(broker: Broker, three: Topics, tiny_artifact: Path) -> Settings:
    """The settings of a worker that would work."""
    return {
        "bootstrap_servers": broker.address,
        "input_topic": three.input,
        "output_topic": three.output,
        "dlq_topic": three.dlq,
        "group_id": f"group-of-{three.input}",
        "model": tiny_artifact,
        "http_port": free_ports(1)[0],
        "threads": 1,
    }


def test_a_set_up_that_works_has_no_failure(broker: Broker, three: Topics, settings: Settings) -> None:
    produce(broker.address, three.input, [REVIEW] * 100)
    before = [read_all(broker.address, name) for name in three.names()]
    report = doctor(settings | {"delivery": "exactly_once", "group_instance_id": "pod-1"})
    assert (report.status, report.failed()) == (0, set()), report
    assert report.warned() <= EXPECTED_WARNINGS
    checks = {each["check"] for each in report.findings if each["verdict"] == "ok"}
    assert checks >= {"broker", "topic", "permission", "message sizes", "group", "transactions", "records", "clock"}
    assert checks >= {"model", "engine", "memory", "http port", "settings"}
    assert [read_all(broker.address, name) for name in three.names()] == before


def test_records_behind_a_transaction_are_read_to_their_end(broker: Broker, three: Topics, settings: Settings) -> None:
    """The last entry of such a partition is not a record but a transaction marker."""
    produce_in_transaction(broker.address, three.input, [REVIEW] * 10, commit=True)
    began_s = time.monotonic()
    report = doctor(settings)
    assert report.failed() == set()
    assert time.monotonic() - began_s < 10, "it waited for a record that never arrives"
    [records] = [each for each in report.findings if each["check"] == "records"]
    assert "newest 10 are reviews" in records["seen"]


# Set-ups that do not work


@pytest.mark.parametrize(
    ("changed", "check", "seen"),
    [
        (
            {"bootstrap_servers": "127.0.0.1:1"},
            "broker",
            "127.0.0.1:1: the port does not answer (Connection refused) -> Check the port",
        ),
        ({"bootstrap_servers": NO_HOST}, "broker", f"{NO_HOST}: the name is not known here"),
        ({"security_protocol": "SSL"}, "broker", "speaks plaintext, and the settings speak TLS (SSL) -> "),
        ({"output_topic": "nowhere"}, "topic", "nowhere: no such topic -> Create it"),
    ],
)
def test_a_setting_that_is_wrong(settings: Settings, changed: Settings, check: str, seen: str) -> None:
    report = doctor(settings | changed)
    assert (report.status, report.failed()) == (11, {check})
    assert seen in report.about(check)


def test_one_of_two_addresses_is_a_warning(broker: Broker, settings: Settings) -> None:
    report = doctor(settings | {"bootstrap_servers": f"{NO_HOST},{broker.address}"})
    assert (report.status, report.failed()) == (0, set())
    assert NO_HOST in report.about("broker")


def test_partitions_that_differ(broker: Broker, settings: Settings) -> None:
    other = f"five.{uuid4().hex[:8]}"
    create_topics(broker.address, [other], partitions=5)
    report = doctor(settings | {"output_topic": other})
    assert (report.status, report.failed()) == (0, set())
    assert f"{other} 5" in report.about("partition counts")


@pytest.mark.parametrize(
    ("resource", "setting", "operation", "check", "named"),
    [
        (ResourceType.TOPIC, "input_topic", ACLOperation.READ, "permission", "Read on topic"),
        (ResourceType.TOPIC, "output_topic", ACLOperation.WRITE, "permission", "Write on topic"),
        (ResourceType.TOPIC, "dlq_topic", ACLOperation.WRITE, "permission", "Write on topic"),
        (ResourceType.TOPIC, "input_topic", ACLOperation.DESCRIBE, "topic", "Describe"),
        (ResourceType.GROUP, "group_id", ACLOperation.READ, "group", "Read on group"),
        (ResourceType.TRANSACTIONAL_ID, "transactional_id", ACLOperation.WRITE, "transactions", "Write on transaction"),
    ],
    ids=["read-input", "write-output", "write-dlq", "describe-input", "read-group", "write-transactions"],
)
def test_a_permission_that_is_missing(
    broker: Broker,
    settings: Settings,
    resource: ResourceType,
    setting: str,
    operation: ACLOperation,
    check: str,
    named: str,
) -> None:
    settings |= {"delivery": "exactly_once", "transactional_id": f"id-{uuid4().hex}"}
    name = str(settings[setting])
    with denied(broker.address, resource, name, operation):
        report = doctor_when(settings, {check})
    assert report.status == 11
    assert named in report.about(check)
    assert name in report.about(check)
    assert "docs/security.md" in report.about(check)


def test_an_artifact_that_was_damaged(settings: Settings, tiny_artifact: Path, tmp_path: Path) -> None:
    damaged = damaged_copy(tiny_artifact, tmp_path / "damaged")
    report = doctor(settings | {"model": damaged})
    assert (report.status, report.failed()) == (11, {"model"})
    assert f"{damaged}/weights.safetensors: its sha256 is not the one in manifest.json" in report.about("model")


def test_a_port_that_is_taken(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        report = doctor(settings | {"http_port": port})
    assert (report.status, report.failed()) == (11, {"http port"})
    assert f"127.0.0.1:{port} cannot be listened on" in report.about("http port")
    assert "SENTIMENT_HTTP_PORT" in report.about("http port")


@pytest.mark.parametrize(
    ("topic", "config", "value", "check", "seen"),
    [
        ("dlq", "max.message.bytes", "100000", "message sizes", "Raise max.message.bytes of {name}"),
        ("output", "min.insync.replicas", "2", "min.insync.replicas", "{name}: 2, and the topic has 1"),
    ],
)
def test_a_topic_with_a_setting_that_does_not_fit(
    broker: Broker, three: Topics, settings: Settings, topic: str, config: str, value: str, check: str, seen: str
) -> None:
    """A dead-letter topic with smaller messages than the input; more in-sync replicas than there are."""
    name = getattr(three, topic)
    set_topic_config(broker.address, name, config, value)
    report = doctor(settings)
    assert (report.status, report.failed()) == (11, {check})
    assert seen.format(name=name) in report.about(check)


@pytest.mark.parametrize(
    ("off_s", "verdict", "seen"),
    [
        (-600, "warning", "behind the cluster"),
        (600, "warning", "ahead of"),
        (7_200, "failure", "no result would be stored"),
    ],
)
def test_a_machine_whose_clock_is_off(settings: Settings, tmp_path: Path, off_s: int, verdict: str, seen: str) -> None:
    (tmp_path / "off").write_text(str(off_s))
    command = [sys.executable, "-m", "tests.support.wrong_clock", str(tmp_path / "off"), "doctor", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE, check=False, timeout=120
    )
    [clock] = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "clock"]
    assert (clock["verdict"], done.returncode) == (verdict, 11 if verdict == "failure" else 0)
    assert seen in clock["seen"]


def test_records_from_the_future_and_records_that_are_not_reviews(
    broker: Broker, three: Topics, settings: Settings
) -> None:
    stamp_ms = round((time.time() + 120) * 1000)
    records = [REVIEW._replace(timestamp_ms=stamp_ms), Message(b"canary"), Message(b'{"text": 5}')]
    produce(broker.address, three.input, records)
    report = doctor(settings)
    assert (report.status, report.warned() - EXPECTED_WARNINGS) == (0, {"timestamps", "records"})
    assert f"{three.input} has a record that is stamped" in report.about("timestamps")
    assert "2 of the newest 3 are not reviews" in report.about("records")
    assert "canary" not in str(report)


# Other members of the group


def test_a_running_worker_is_seen_and_not_disturbed(
    broker: Broker, three: Topics, settings: Settings, make_stage: MakeStage
) -> None:
    names: Settings = {"delivery": "exactly_once", "group_instance_id": "pod-1"}
    stage = make_stage(broker.address, three, **names)
    worker = stage.start().until_ready()
    report = doctor(settings | names | {"group_id": stage.group, "http_port": worker.port})
    assert (report.status, report.failed()) == (0, set())
    assert "a member is called pod-1 already" in report.about("group")
    assert "a sentiment-worker answers there already" in report.about("http port")
    stage.traffic.send(islice(reviews(seed=1), 100))
    stage.traffic.until_answered()
    assert worker.stop() == 0  # a fenced worker exits with status 9
    assert stage.faults() == []


def test_a_group_that_other_programs_use(broker: Broker, three: Topics, settings: Settings) -> None:
    group = str(settings["group_id"])
    with closing(KafkaConsumer(three.input, bootstrap_servers=broker.address, group_id=group)) as consumer:
        consumer.poll(timeout_ms=10_000)
        report = doctor(settings)
    assert (report.status, report.failed()) == (11, {"group"})
    assert "set another SENTIMENT_GROUP_ID" in report.about("group")
