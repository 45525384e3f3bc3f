"""Gathers the facts and has them judged: the I/O of `doctor`, top to bottom in the order of its report."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Final

from model.errors import ModelError
from model.predictor import Predictor
from model.self_test import self_test
from worker.broker.clients import client_named
from worker.broker.cluster.admin import require_topics
from worker.broker.cluster.reaching import reach
from worker.broker.cluster.reader import newest_records
from worker.broker.cluster.survey import Survey, open_survey
from worker.broker.connection import Connection
from worker.broker.contract import Record
from worker.commands.doctor import machine
from worker.commands.doctor.clock_checks import check_clock, check_stamps
from worker.commands.doctor.findings import Finding, Verdict
from worker.commands.doctor.group_checks import check_group, check_records
from worker.commands.doctor.machine_checks import (
    Speed,
    check_engine,
    check_gpu,
    check_memory,
    check_port,
    check_settings,
)
from worker.commands.doctor.reach_checks import Attempt, check_address, check_advertised, check_cluster, fits, soften
from worker.commands.doctor.topic_checks import Topics, check_topics
from worker.delivery.naming import transactional_id
from worker.errors import ModelUnusable, WorkerError
from worker.scoring.opening import open_predictor
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings

REACH_S: Final = 3.0
LOGIN_S: Final = 5.0
ANSWER_S: Final = 10.0
NEWEST: Final = 20  # records of each partition


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what there is to say of a worker with these settings on this machine, as it is found.

    Writes nothing to any topic and joins no group.
    """
    yield from _broker(settings)
    speed = yield from _model(settings)
    yield from _machine(settings)
    yield from check_settings(settings, speed)


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        connection = connect_with(settings)
        addresses = list(soften([_address(connection, each) for each in settings.bootstrap_servers.split(",")]))
    except WorkerError as exc:  # a certificate or a key that cannot be used
        yield Finding.of("broker", exc)
        return
    yield from addresses
    if all(finding.verdict is Verdict.FAILURE for finding in addresses):
        yield Finding.skipped("cluster", "no broker let us in: version, topics, permissions and group are not checked")
        return
    try:
        with open_survey(connection, timeout_s=ANSWER_S) as survey:
            yield from _cluster(settings, connection, survey)
    except WorkerError as exc:
        yield Finding.of("cluster", exc)


def _address(connection: Connection, address: str) -> Finding:
    found = reach(address, timeout_s=REACH_S, tls_first=connection.security_protocol.endswith("SSL"))
    error: WorkerError | None = None
    if fits(found, connection.security_protocol):
        try:
            require_topics(replace(connection, bootstrap_servers=address), [], timeout_s=LOGIN_S)
        except WorkerError as exc:
            error = exc
    return check_address(Attempt(found, error), connection.security_protocol)


def _cluster(settings: Settings, connection: Connection, survey: Survey) -> Iterator[Finding]:
    cluster = survey.cluster()
    yield check_cluster(cluster)
    yield check_advertised([reach(broker, timeout_s=REACH_S) for broker in cluster.brokers])
    yield check_clock(survey.clock(), time.time())
    found = survey.topics([settings.input_topic, settings.output_topic, settings.dlq_topic])
    topics = Topics(found[settings.input_topic], found[settings.output_topic], found[settings.dlq_topic])
    yield from check_topics(topics)
    yield from _group(settings, survey, topics)
    yield from _transactions(settings, connection, survey)
    yield from _records(connection, topics)


def _group(settings: Settings, survey: Survey, topics: Topics) -> Iterator[Finding]:
    group = settings.group_id
    try:
        survey.check_may_join(group)
        yield Finding.ok("permission", f"Read on group {group}")
        yield check_group(survey.group(group), topics.input.partitions, settings.group_instance_id)
    except WorkerError as exc:
        yield Finding.of("group", exc)


def _transactions(settings: Settings, connection: Connection, survey: Survey) -> Iterator[Finding]:
    """A transaction is begun only under a name of our own: one in use would be taken from a running worker."""
    if settings.delivery != "exactly_once":
        yield Finding.skipped("transactions", "delivery is at_least_once")
        return
    name = transactional_id(settings)
    try:
        survey.check_may_transact(name)
        if settings.group_instance_id or settings.transactional_id:
            yield Finding.ok("transactions", f"Write on transactional id {name}; none was begun, a worker may use it")
            return
        open_sink = client_named("kafka-python").transactional_sink_opener(
            connection, transactional_id=name, transaction_timeout_ms=settings.transaction_timeout_ms
        )
        sink = open_sink()
        try:
            sink.begin()
        finally:
            sink.close(timeout_s=0)
        yield Finding.ok("transactions", f"one was begun under {name} and given up")
    except WorkerError as exc:
        yield Finding.of("transactions", exc)


def _records(connection: Connection, topics: Topics) -> Iterator[Finding]:
    readable = [
        topic for topic in topics.all if topic.visibility == "there" and "READ" in (topic.operations or ("READ",))
    ]
    if topics.input not in readable:
        yield Finding.skipped("records", "the input topic cannot be read")
        return
    records: list[Record] = []
    try:
        for topic in readable:
            newest = newest_records(connection, topic.name, each=NEWEST, timeout_s=ANSWER_S)
            records += newest
            if topic is topics.input:
                yield check_records(topic, newest)
    except WorkerError as exc:
        yield Finding.of("records", exc)
        return
    yield check_stamps(records, time.time())


def _model(settings: Settings) -> Generator[Finding, None, Speed | None]:
    """Yield findings about the model, return how fast it is here; None where it cannot be used."""
    try:
        predictor = open_predictor(settings)
        yield from _self_test(predictor)
    except WorkerError as exc:
        yield Finding.of("model", exc)
        return None
    speed = machine.measure_speed(predictor)
    yield check_engine(predictor.info, speed)
    yield check_gpu(predictor.info, settings.device, machine.gpus())
    return speed


def _self_test(predictor: Predictor) -> Iterator[Finding]:
    try:
        difference = self_test(predictor)
    except ModelError as exc:
        raise ModelUnusable(str(exc)) from exc
    info = predictor.info
    yield Finding.ok(
        "model",
        f"{info.name} {info.version}, every file as its sha256 says ({info.sha256[:12]}); "
        f"the golden reviews are scored as they must be, to {difference:.1g}",
    )


def _machine(settings: Settings) -> Iterator[Finding]:
    memory = machine.memory()
    if memory is None:
        yield Finding.skipped("memory", "only Linux tells how much there is")
    else:
        yield check_memory(memory, settings)
    yield check_port(settings, machine.look_at_port(settings.http_host, settings.http_port))
