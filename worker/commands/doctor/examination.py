"""Gathers the facts and calls the checks, in the order of the report. All I/O of `doctor` is here and in `machine`."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Final

from model.self_test import self_test
from worker.broker.clients import client_named
from worker.broker.cluster.admin import require_topics
from worker.broker.cluster.reaching import reach
from worker.broker.cluster.reader import newest_records
from worker.broker.cluster.survey import Survey, open_survey
from worker.broker.connection import Connection
from worker.broker.contract import Record
from worker.commands.doctor import machine, machine_checks
from worker.commands.doctor.clock_checks import check_clock, check_stamps
from worker.commands.doctor.findings import Finding, Verdict, failure_from, ok, skipped
from worker.commands.doctor.group_checks import check_group, check_records
from worker.commands.doctor.reach_checks import check_address, check_advertised, check_cluster, fits, soften
from worker.commands.doctor.topic_checks import WorkerTopics, check_topics
from worker.errors import ModelUnusable, WorkerError
from worker.scoring.opening import model_unusable, open_predictor
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings

REACH_S: Final = 3.0
LOGIN_S: Final = 5.0
ANSWER_S: Final = 10.0
NEWEST: Final = 20  # records of each partition


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about a worker with these settings on this machine, each as soon as it is made.

    Writes to no topic and joins no group.
    """
    yield from _or_failure("broker", _broker(settings))
    speed = yield from _model(settings)
    yield from _machine(settings)
    yield from machine_checks.check_settings(settings, speed)


def _or_failure(check: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings; an error that ends them becomes a failure of `check`."""
    try:
        yield from findings
    except WorkerError as exc:
        yield failure_from(check, exc)


def _broker(settings: Settings) -> Iterator[Finding]:
    connection = connect_with(settings)
    addresses = list(soften([_address(connection, each) for each in settings.bootstrap_servers.split(",")]))
    yield from addresses
    if all(finding.verdict is Verdict.FAILURE for finding in addresses):
        yield skipped("cluster", "no connection to a broker: version, topics, permissions and group are not checked")
    else:
        yield from _or_failure("cluster", _cluster(settings, connection))


def _address(connection: Connection, address: str) -> Finding:
    found = reach(address, timeout_s=REACH_S, tls_first=connection.security_protocol.endswith("SSL"))
    error: WorkerError | None = None
    if fits(found, connection.security_protocol):
        try:
            require_topics(replace(connection, bootstrap_servers=address), [], timeout_s=LOGIN_S)
        except WorkerError as exc:
            error = exc
    return check_address(found, connection.security_protocol, error)


def _cluster(settings: Settings, connection: Connection) -> Iterator[Finding]:
    with open_survey(connection, timeout_s=ANSWER_S) as survey:
        cluster = survey.cluster()
        yield check_cluster(cluster)
        yield check_advertised([reach(broker, timeout_s=REACH_S) for broker in cluster.brokers])
        yield check_clock(survey.clock(), time.time())
        names = (settings.input_topic, settings.output_topic, settings.dlq_topic)
        found = survey.topics(names)
        topics = WorkerTopics(*(found[name] for name in names))
        yield from check_topics(topics)
        yield from _or_failure("group", _group(settings, survey, topics))
        yield from _or_failure("transactions", _transactions(settings, connection, survey))
        yield from _or_failure("records", _records(connection, topics))


def _group(settings: Settings, survey: Survey, topics: WorkerTopics) -> Iterator[Finding]:
    group = settings.group_id
    survey.check_may_join(group)
    yield ok("permission", f"Read on group {group}")
    yield check_group(survey.group(group), topics.input.partitions, settings.group_instance_id)


def _transactions(settings: Settings, connection: Connection, survey: Survey) -> Iterator[Finding]:
    """Begin a transaction only under a random name. Under any other, that would fence a running worker."""
    if settings.delivery != "exactly_once":
        yield skipped("transactions", "delivery is at_least_once")
        return
    name = settings.effective_transactional_id()
    survey.check_may_transact(name)
    if settings.group_instance_id or settings.transactional_id:
        yield ok("transactions", f"Write on transactional id {name}; not tried, because a worker may use it")
        return
    open_sink = client_named("kafka-python").transactional_sink_opener(
        connection, transactional_id=name, transaction_timeout_ms=settings.transaction_timeout_ms
    )
    sink = open_sink()
    try:
        sink.begin()
    finally:
        sink.close(timeout_s=0)
    yield ok("transactions", f"one was begun as {name}, and aborted")


def _records(connection: Connection, topics: WorkerTopics) -> Iterator[Finding]:
    readable = [topic for topic in topics if topic.visibility == "there" and "READ" in (topic.operations or ("READ",))]
    if topics.input not in readable:
        yield skipped("records", "the input topic cannot be read")
        return
    records: list[Record] = []
    for topic in readable:
        newest = newest_records(connection, topic.name, each=NEWEST, timeout_s=ANSWER_S)
        records += newest
        if topic is topics.input:
            yield check_records(topic, newest)
    yield check_stamps(records, time.time())


def _model(settings: Settings) -> Generator[Finding, None, float | None]:
    """Yield findings about the model. Return how many reviews a second it scores, or None if it cannot be used."""
    try:
        predictor = open_predictor(settings)
        with model_unusable():
            difference = self_test(predictor)
    except ModelUnusable as exc:
        yield failure_from("model", exc)
        return None
    info = predictor.info
    files = f"{info.name} {info.version}: every file matches its sha256 ({info.sha256[:12]})"
    yield ok("model", f"{files}; the golden reviews are off by {difference:.1g} at most")
    speed = machine.measure_speed(predictor)
    yield machine_checks.check_engine(info, speed)
    yield machine_checks.check_gpu(info, settings.device, machine.gpus())
    return speed


def _machine(settings: Settings) -> Iterator[Finding]:
    memory = machine.memory()
    yield machine_checks.check_memory(memory, settings) if memory else skipped("memory", "known only on Linux")
    yield machine_checks.check_port(settings, machine.probe_port(settings.http_host, settings.http_port))
